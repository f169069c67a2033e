"""Runs the command-line tool that is part of the package: ``python -m tinyml``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def find_tool() -> str | None:
    """Path of the ``tinyml`` binary: the one in the wheel, else the one of the build directory."""
    here = Path(__file__).absolute().parent
    name = "tinyml.exe" if os.name == "nt" else "tinyml"
    for candidate in (here / "bin" / name, here.parent.parent / "apps" / "tinyml" / name):
        if candidate.is_file():
            return str(candidate)
    return None


def main() -> None:
    tool = find_tool()
    if tool is None:
        sys.exit("tinyml: the command-line tool is not part of this installation")
    arguments = [tool, *sys.argv[1:]]
    if os.name == "nt":
        sys.exit(subprocess.call(arguments))
    os.execv(tool, arguments)


if __name__ == "__main__":
    main()
