"""How far the int8 file is from the fake-quantized PyTorch model, network by network.

    PYTHONPATH=build/python:tests .venv/bin/python bench/agreement.py [network ...] [--full]

Post-training quantization with `--samples` inputs; the file runs on `--kernels` and is compared on
inputs that were not calibrated on. Columns: integer outputs that are equal, that are at most one
step away, the signal-to-noise ratio of the file against the simulation, of the simulation against
float PyTorch, and of the file against float PyTorch.

--between: integer outputs that are at most one step away, of the file on the reference kernels and
on XNNPACK from the simulation, and of the two from each other.

--layers: each layer by itself, on the integers that the file has in front of it, so that nothing is
amplified: how many layers the file shows, how many have any integer other than the FakeQuants give,
more than one in a thousand, any that is more than a step away; then the largest shares of either.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings

import numpy as np
import torch
from models import DEPLOYED, ZOO, ZooEntry
from torch.utils._pytree import tree_leaves

import tinyml
from tinyml import PostQuantizer, _core, simulate_kernels
from tinyml.verification import _make_interpreter, measure_error, run_tflite


def output_steps(content: bytes) -> list[float]:
    """The scale of each output of a file; 0 for a float one."""
    interpreter = _make_interpreter(content, "builtin")
    return [detail["quantization"][0] for detail in interpreter.get_output_details()]


Calibrated = tuple[ZooEntry, torch.nn.Module, torch.nn.Module, tinyml.Graph]


def calibrated(name: str, samples: int, full: bool) -> Calibrated:
    """The network's entry, its float model, the fake-quantized one and the graph of that."""
    entry = (ZOO | DEPLOYED)[name]
    model = entry.build() if full else entry.small()
    batches = [entry.example_inputs(seed, full) for seed in range(samples)]
    with tempfile.TemporaryDirectory() as folder:
        quantizer = PostQuantizer(model, batches[0], folder, {"allow_float": True})
        simulation = quantizer.calibrate(batches)
    return entry, model, simulation, tinyml.trace(simulation, batches[0])


def simulated_by(kernels: str) -> str:
    """LiteRT's own optimized kernels round as its reference kernels do."""
    return "xnnpack" if kernels == "xnnpack" else "reference"


def measure(
    name: str, samples: int, images: int, full: bool, forms: list[str], kernels: str
) -> str:
    entry, model, simulation, graph = calibrated(name, samples, full)
    result = _core.convert(
        graph, quantize_input_output_type="int8", fuse_where_possible=True, forms=forms
    )
    content = result.to_bytes()
    simulate_kernels(simulation, kernels=simulated_by(kernels), tflite=content, graph=graph)
    steps = output_steps(content)
    equal = near = total = 0
    found: list[list[np.ndarray]] = [[], [], []]
    for seed in range(1000, 1000 + images):
        inputs = entry.example_inputs(seed, full)
        with torch.no_grad():
            floats = [leaf.numpy() for leaf in tree_leaves(model(*inputs))]
            simulated = [leaf.numpy() for leaf in tree_leaves(simulation(*inputs))]
        actual = run_tflite(
            content,
            [value.numpy() for value in inputs],
            input_orders=result.input_orders,
            output_orders=result.output_orders,
            kernels=kernels,
        )
        for step, reference, value in zip(steps, simulated, actual, strict=True):
            if step:
                difference = np.abs(reference.astype(np.float64) - value) / step
                equal += int((difference < 0.5).sum())
                near += int((difference < 1.5).sum())
                total += difference.size
        for values, column in zip((floats, simulated, actual), found, strict=True):
            column += [value.astype(np.float64).ravel() for value in values]
    truth, simulated_all, actual_all = (np.concatenate(column) for column in found)
    own = measure_error("", simulated_all, actual_all).snr_db
    rounding = measure_error("", truth, simulated_all).snr_db
    whole = measure_error("", truth, actual_all).snr_db
    shares = (
        f"{100 * equal / total:7.2f} {100 * near / total:8.3f}" if total else "      -        -"
    )
    return f"{name:22s} {shares} {own:8.1f} {rounding:8.1f} {whole:8.1f}"


def measure_between(name: str, samples: int, images: int, full: bool, forms: list[str]) -> str:
    entry, _, simulation, graph = calibrated(name, samples, full)
    result = _core.convert(
        graph, quantize_input_output_type="int8", fuse_where_possible=True, forms=forms
    )
    content = result.to_bytes()
    given = [entry.example_inputs(seed, full) for seed in range(1000, 1000 + images)]
    simulated, files = [], []  # outputs of all inputs, for each set of kernels
    for kernels in ("reference", "xnnpack"):
        simulate_kernels(simulation, kernels=kernels, tflite=content, graph=graph)
        with torch.no_grad():
            simulated.append([y.numpy() for x in given for y in tree_leaves(simulation(*x))])
        outputs = (
            run_tflite(
                content,
                [value.numpy() for value in x],
                input_orders=result.input_orders,
                output_orders=result.output_orders,
                kernels=kernels,
            )
            for x in given
        )
        files.append([y for found in outputs for y in found])
    near, total = np.zeros(3), 0
    for step, *found in zip(output_steps(content) * images, *simulated, *files, strict=True):
        if step:
            a, b, c, d = (value.astype(np.float64) / step for value in found)
            near += [(np.abs(x - y) < 1.5).sum() for x, y in ((a, c), (b, d), (c, d))]
            total += a.size
    shares = " ".join(f"{100 * share / total:9.3f}" for share in near) if total else "no integers"
    return f"{name:22s} {shares}"


def measure_layers(
    name: str, samples: int, images: int, full: bool, forms: list[str], kernels: str
) -> str:
    entry, _, simulation, graph = calibrated(name, samples, full)
    content = _core.convert(graph, fuse_where_possible=True, forms=forms).to_bytes()
    inputs = [entry.example_inputs(seed, full) for seed in range(1000, 1000 + images)]
    simulate_kernels(simulation, kernels=simulated_by(kernels), tflite=content, graph=graph)
    found = tinyml.explain(content, simulation, inputs, kernels=kernels).layers
    layers = [layer for layer in found if layer.kernel]
    unequal = [layer.unequal for layer in layers]
    apart = [layer.apart for layer in layers]
    counts = [
        sum(x > 0 for x in unequal),
        sum(x > 1e-3 for x in unequal),
        sum(x > 0 for x in apart),
    ]
    shares = f"{100 * max(unequal, default=0):8.3f} {100 * max(apart, default=0):8.3f}"
    return f"{name:22s} {len(layers):6d} {counts[0]:7d} {counts[1]:7d} {counts[2]:6d} {shares}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=sorted(ZOO | DEPLOYED))
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--kernels", default="reference", help="or xnnpack, builtin")
    parser.add_argument("--full", action="store_true", help="published sizes, not narrow ones")
    parser.add_argument("--forms", nargs="*", default=[], help='as TFLiteConverter: "-tables"')
    parser.add_argument("--layers", action="store_true", help="each layer by itself")
    parser.add_argument("--between", action="store_true", help="both sets of kernels")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.layers:
        print("network                layers unequal > 0.1 %  apart unequal %  apart %")
    elif arguments.between:
        print("network                reference   xnnpack   between")
    else:
        print("network                equal % 1 step %   own dB   sim dB  file dB")
    for name in arguments.networks:
        try:
            common = (
                name,
                arguments.samples,
                arguments.images,
                arguments.full,
                arguments.forms,
            )
            if arguments.between:
                line = measure_between(*common)
            else:
                line = (measure_layers if arguments.layers else measure)(*common, arguments.kernels)
            print(line, flush=True)
        except (tinyml.Error, ValueError, RuntimeError) as error:
            print(f"{name:22s} {str(error).splitlines()[0][:90]}", flush=True)


if __name__ == "__main__":
    main()
