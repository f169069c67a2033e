"""Compiles the C++ code of every network of the tests and compares one pass with PyTorch.

    PYTHONPATH=build/python python bench/codegen_cpp.py [names...] [--group 4] [--jobs 1]

Each program of `--group` networks takes a compiler about a minute.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / part) for part in ("", "python")]

from models import DEPLOYED, ZOO  # noqa: E402

from cpp_code import Case, compile_and_run  # noqa: E402

ALL = {**ZOO, **DEPLOYED}


def run(names: list[str]) -> list[str]:
    """Compiles and runs one program; a line for each network."""
    lines, cases, start = [], [], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            try:
                entry = ALL[name]
                args = entry.example_inputs()
                cases.append(Case(name, entry.small(), args, Path(folder), train=False))
            except Exception as error:
                lines.append(f"{name:24} not written: {str(error)[:500]}")
        try:
            compile_and_run(cases, Path(folder))
        except AssertionError as error:
            if len(cases) > 1:
                return lines + [line for case in cases for line in run([case.name])]
            return [*lines, f"{cases[0].name:24} does not run: {str(error)[:1500]}"]
        for case in cases:
            try:
                case.check()
                count = len(case.expected)
                lines.append(f"{case.name:24} agrees: {count} outputs, gradients and buffers")
            except AssertionError as error:
                lines.append(f"{case.name:24} differs: {str(error)[:300]}")
    seconds = time.perf_counter() - start
    return [f"{line}  ({seconds:.0f} s for {len(names)})" for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(ALL))
    parser.add_argument("--group", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    names = options.names
    groups = [names[i : i + options.group] for i in range(0, len(names), options.group)]
    with ThreadPoolExecutor(options.jobs) as pool:
        for lines in pool.map(run, groups):
            print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
