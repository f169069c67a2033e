"""Write docs/operators.md from the converter's registry: python tools/write_operator_table.py."""

from itertools import groupby
from pathlib import Path

import tinyml

PAGE = Path(__file__).parent.parent / "docs" / "operators.md"
HEAD = """# Operators

What `convert` accepts, as `tinyml ops` prints it (`tinyml.operators()` in Python). This page is
written by `tools/write_operator_table.py` from the converter's own registry; do not edit it.

In-place forms (`relu_`, `x[:, 0] = y`) are resolved before the conversion and need no rows of their
own. int64 becomes int32 in the file, every float type float32.

| Operator | Overloads | Limits |
| --- | --- | --- |
"""
REFUSED = """
## Not in TFLite

These are refused, each with the nearest way out. An operator that is in neither table can often be
decomposed before the conversion, with `ExportedProgram.run_decompositions()`.

| Operator | Why | Way out |
| --- | --- | --- |
"""


def split_name(name: str) -> tuple[str, str]:
    """ "aten.add.Tensor" as "add", "Tensor"; other namespaces stay."""
    base, _, overload = name.removeprefix("aten.").rpartition(".")
    if name.startswith("higher_order."):
        return name, ""
    return base, "" if overload == "default" else overload


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def page() -> str:
    rows = [row for row in tinyml.operators() if row.supported]
    text = HEAD
    for (base, limits), group in groupby(rows, lambda row: (split_name(row.name)[0], row.limits)):
        overloads = [split_name(row.name)[1] for row in group]
        names = ", ".join(f"`{overload}`" for overload in overloads if overload)
        text += f"| `{base}` | {names} | {cell(limits)} |\n"
    text += REFUSED
    refused = [row for row in tinyml.operators() if not row.supported]
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in refused:
        reasons.setdefault((row.limits, row.remedy), []).append(row.name.removeprefix("aten."))
    for (reason, remedy), names in reasons.items():
        listed = ", ".join(f"`{name}`" for name in names)
        text += f"| {listed} | {cell(reason)} | {cell(remedy)} |\n"
    return text


if __name__ == "__main__":
    PAGE.write_text(page())
