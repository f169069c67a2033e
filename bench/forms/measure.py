"""Measures what each form costs and writes the table that the converter chooses by.

measure.py [--seconds S] [--write]: converts one representative operation a form with and without
it, times both in turns with XNNPACK and with the builtin kernels (one thread, least CPU time) and
prints the rows of src/tflite/forms/form_costs.inc; --write replaces the file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from cases import CASES

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "runtime"))

import timing

import tinyml
from tinyml import _core

TABLE = Path(__file__).resolve().parents[2] / "src" / "tflite" / "forms" / "form_costs.inc"
KERNELS = ("xnnpack", "builtin")


def option(form: str) -> str:
    """kFoldWidth -> fold-width."""
    letters = ["-" + letter.lower() if letter.isupper() else letter for letter in form[1:]]
    return "".join(letters).lstrip("-")


def measure(
    form: str, quantized: bool, module: torch.nn.Module, example: torch.Tensor, seconds: float
) -> list[float]:
    """Milliseconds: usual and form with XNNPACK, usual and form with the builtin kernels."""
    graph = tinyml.trace(module.eval(), (example,))
    boundary = "int8" if quantized else "float32"
    files = [
        _core.convert(graph, forms=[sign + option(form)], quantize_input_output_type=boundary)
        for sign in ("-", "+")
    ]
    same = files[0].operators == files[1].operators
    if same and form != "kGroups":  # whose operators are alike
        raise SystemExit(f"{form} was not written")
    costs = []
    for kernels in KERNELS:
        runners = [timing.prepare(result.to_bytes(), kernels) for result in files]
        costs += timing.measure(runners, seconds)
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="of measuring, for each row")
    parser.add_argument("--write", action="store_true", help="replace the table")
    arguments = parser.parse_args()
    lines = []
    for case in CASES:
        for quantized, module in ((False, case.real), (True, case.quantized)):
            if module is None:
                continue
            costs = measure(
                case.form, quantized, module, torch.randn(case.shape), arguments.seconds
            )
            numbers = ", ".join(f"{cost:.4f}" for cost in costs)
            lines.append(f"TINYML_FORM_COST({case.form}, {str(quantized).lower()}, {numbers})")
            print(lines[-1], flush=True)
    if arguments.write:
        TABLE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
