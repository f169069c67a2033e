"""The same files under several releases of ai-edge-litert.

    PYTHONPATH=build/python:tests .venv/bin/python bench/runtime/releases.py write out/releases
    for release in 2.1 2.2 2.3: VENV/bin/python bench/runtime/releases.py run out/releases RELEASE
    python bench/runtime/releases.py compare out/releases

`write` converts every network of the tests (narrow, float and int8) and every form; `run` needs
only numpy and ai-edge-litert: each file in a process of its own, with XNNPACK and without;
`compare` lists files that crash, that are refused, or whose outputs differ between releases.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

KERNELS = ("xnnpack", "builtin")
STEPS, RELATIVE = 1, 1e-4  # what releases may differ by: integers, floats


def write(folder: Path) -> None:
    import warnings

    import torch

    sys.path += [str(Path(__file__).parents[1] / "forms"), str(Path(__file__).parents[2] / "tests")]
    from cases import CASES
    from measure import option
    from models import DEPLOYED, ZOO

    import tinyml
    from tinyml import PostQuantizer, _core

    warnings.simplefilter("ignore")
    folder.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        for kind, module in (("float", case.real), ("int8", case.quantized)):
            if module is None:
                continue
            graph = tinyml.trace(module.eval(), (torch.randn(case.shape),))
            for sign, word in (("-", "without"), ("+", "with")):
                result = _core.convert(graph, forms=[sign + option(case.form)])
                path = folder / f"{word}_{option(case.form)}.{kind}.tflite"
                path.write_bytes(result.to_bytes())
    for name, entry in (ZOO | DEPLOYED).items():
        model, inputs = entry.small(), entry.example_inputs(0, False)
        graphs = {"float": tinyml.trace(model, inputs)}
        with tempfile.TemporaryDirectory() as work:
            try:
                quantizer = PostQuantizer(model, inputs, work, {"allow_float": True})
                graphs["int8"] = tinyml.trace(quantizer.calibrate([inputs]), inputs)
            except tinyml.Error as error:
                print(f"{name}: {str(error).splitlines()[0]}")
        for kind, graph in graphs.items():
            (folder / f"{name}.{kind}.tflite").write_bytes(_core.convert(graph).to_bytes())


def run_one(path: Path, kernels: str, target: Path) -> None:
    """Random inputs of a fixed seed; writes the outputs."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.AUTO if kernels == "xnnpack" else OpResolverType.BUILTIN
    if kernels == "builtin":
        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    generator = np.random.default_rng(0)
    for detail in interpreter.get_input_details():
        shape, dtype = detail["shape"], detail["dtype"]
        if np.issubdtype(dtype, np.floating):
            value = generator.standard_normal(shape)
        elif dtype == np.int8:
            value = generator.integers(-128, 128, shape)
        else:
            value = generator.integers(0, 2, shape)
        interpreter.set_tensor(detail["index"], np.asarray(value, dtype))
    interpreter.invoke()
    outputs = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    np.savez(target, *outputs)


def run(folder: Path, release: str) -> None:
    results = folder / release
    results.mkdir(exist_ok=True)
    for path in sorted(folder.glob("*.tflite")):
        for kernels in KERNELS:
            target = results / f"{path.stem}.{kernels}.npz"
            command = [sys.executable, __file__, "one", str(path), kernels, str(target)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                lines = done.stderr.strip().splitlines()
                reason = lines[-1] if lines else f"exit code {done.returncode}"
                print(f"{release} {path.stem} {kernels}: {reason}", flush=True)


def difference(one: np.ndarray, other: np.ndarray) -> str | None:
    if one.shape != other.shape or one.dtype != other.dtype:
        return "shapes or types differ"
    if np.issubdtype(one.dtype, np.integer):
        most = int(np.abs(one.astype(np.int64) - other).max(initial=0))
        return f"{most} steps" if most > STEPS else None
    scale = max(float(np.abs(one).max(initial=0)), 1e-6)
    error = float(np.abs(one.astype(np.float64) - other).max(initial=0)) / scale
    return f"{error:.2g} of the range" if not error <= RELATIVE else None


def compare(folder: Path) -> None:
    releases = sorted(path.name for path in folder.iterdir() if path.is_dir())
    newest, files = releases[-1], sorted(folder.glob("*.tflite"))
    bad = 0
    for path in files:
        for kernels in KERNELS:
            name = f"{path.stem}.{kernels}.npz"
            if missing := [r for r in releases if not (folder / r / name).exists()]:
                print(f"{path.stem} {kernels}: does not run in {', '.join(missing)}")
                bad += 1
                continue
            reference = np.load(folder / newest / name)
            for release in releases[:-1]:
                values = np.load(folder / release / name)
                found = [difference(reference[k], values[k]) for k in reference.files]
                if problems := [text for text in found if text]:
                    print(f"{path.stem} {kernels}: {release} and {newest} differ by {problems[0]}")
                    bad += 1
    print(
        f"{len(files)} files, {len(KERNELS)} sets of kernels, {', '.join(releases)}: {bad} differ"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["write", "run", "compare", "one"])
    parser.add_argument("arguments", nargs="+")
    given = parser.parse_args()
    folder = Path(given.arguments[0])
    if given.command == "write":
        write(folder)
    elif given.command == "run":
        run(folder, given.arguments[1])
    elif given.command == "one":
        run_one(folder, given.arguments[1], Path(given.arguments[2]))
    else:
        compare(folder)


if __name__ == "__main__":
    main()
