"""Signal-to-noise of post-training int8 files against float PyTorch: 32 calibration samples.

    PYTHONPATH=build/python .venv/bin/python bench/quantization/snr.py [networks] [--config JSON]

Random weights with the batch-norm statistics that belong to them, normally distributed inputs, the
file on LiteRT's XNNPACK kernels, mean over the samples. Each --config is a column.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from models import DEPLOYED, ZOO

import tinyml
from tinyml import PostQuantizer, _core
from tinyml.verification import run_tflite

NETWORKS = {**ZOO, **DEPLOYED}
# The best of the leading tools; None where they fail.
GOALS = {
    "mobilenet_v2": 13.2,
    "mobilenet_v3_small": 11.5,
    "resnet18": 29.0,
    "shufflenet_v2": 14.9,
    "resnet8": 31.0,
    "ds_cnn": 37.7,
    "unet": 21.3,
    "vit_tiny": 28.8,
    "lstm_tagger": 29.6,
    "squeezenet": 37.1,
    "gru_tagger": None,
    "mobilevit_xxs": None,
    "yolov5n": None,
}
MEASURED = 12
# These are larger than what the goals were measured on, or slow: their small() form.
SMALL = {"unet"}
SHAPES = {"yolov5n": (1, 3, 320, 320)}


def decibels(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Of (expected, actual) pairs together."""
    signal = sum(float(np.sum(e.astype(np.float64) ** 2)) for e, _ in pairs)
    noise = sum(float(np.sum((e.astype(np.float64) - a) ** 2)) for e, a in pairs)
    return 10 * float(np.log10(signal / max(noise, 1e-30)))


def leaves(value) -> list[np.ndarray]:
    return [
        leaf.numpy()
        for leaf in torch.utils._pytree.tree_leaves(value)
        if isinstance(leaf, torch.Tensor)
    ]


def make(name: str) -> tuple[nn.Module, list[tuple[torch.Tensor, ...]]]:
    """The network and its inputs: 32 to calibrate with, then those to measure on."""
    entry = NETWORKS[name]
    small = name in SMALL
    model = entry.small() if small else entry.build()
    shape = SHAPES.get(name, entry.shape if small else entry.full_shape)
    inputs = []
    for seed in range(32 + MEASURED):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(100 + seed))
        inputs.append((x,) if entry.make_inputs is None else entry.make_inputs(x))
    return model, inputs


def measure(
    model: nn.Module, inputs: list, config: dict, folder: str
) -> tuple[float, float, float]:
    """(dB of the file, dB of the module, seconds to quantize and calibrate)."""
    start = time.process_time()
    module = PostQuantizer(
        model, inputs[0], folder, {**(config or {}), "allow_float": True}
    ).calibrate(inputs[:32])
    seconds = time.process_time() - start
    file = _core.convert(tinyml.trace(module.eval(), inputs[0]))
    content = file.to_bytes()
    of_file, of_module = [], []
    for sample in inputs[32:]:
        with torch.no_grad():
            expected, simulated = leaves(model(*sample)), leaves(module(*sample))
        actual = run_tflite(
            content,
            [x.numpy() for x in sample],
            input_orders=file.input_orders,
            output_orders=file.output_orders,
        )
        of_file += zip(expected, actual, strict=True)
        of_module += zip(expected, simulated, strict=True)
    return decibels(of_file), decibels(of_module), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(GOALS))
    parser.add_argument("--config", action="append", type=json.loads)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in arguments.networks:
        model, inputs = make(name)
        for config in arguments.config or [{}]:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    file, module, seconds = measure(model, inputs, config, folder)
                except (tinyml.Error, RuntimeError) as error:
                    print(f"{name:20s} {json.dumps(config):40s} {error}", flush=True)
                    continue
            goal = GOALS.get(name)
            print(
                f"{name:20s} {json.dumps(config):40s} file {file:6.2f} dB, module {module:6.2f} dB,"
                f" others {goal if goal is not None else 'fail'}, {seconds:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
