"""Exports the networks of the benchmarks as .pt2 archives: export_models.py DIRECTORY."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from models import ZOO

BENCHMARKED = ("mobilenet_v2", "resnet50")


def export(name: str, directory: Path) -> Path:
    """Writes DIRECTORY/NAME.pt2 at the published size, once."""
    path = directory / f"{name}.pt2"
    if not path.exists():
        entry = ZOO[name]
        program = torch.export.export(entry.build(), (entry.example_input(full=True),))
        directory.mkdir(parents=True, exist_ok=True)
        torch.export.save(program, path)
    return path


if __name__ == "__main__":
    for model in BENCHMARKED:
        print(export(model, Path(sys.argv[1])))
