"""Exports the networks of the benchmarks as .pt2 archives: export_models.py DIRECTORY."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from models import ZOO
from models.densenet import DenseNet
from models.vit import VisionTransformer

BENCHMARKED = ("mobilenet_v2", "resnet50", "vit_base", "densenet201")
OTHERS = {
    "vit_base": lambda: VisionTransformer(dim=768, depth=12, heads=12),
    "densenet201": lambda: DenseNet(blocks=(6, 12, 48, 32)),
}


def export(name: str, directory: Path) -> Path:
    """Writes DIRECTORY/NAME.pt2 at the published size, once."""
    path = directory / f"{name}.pt2"
    if not path.exists():
        if name in OTHERS:
            model, x = OTHERS[name]().eval(), torch.randn(1, 3, 224, 224)
        else:
            model, x = ZOO[name].build(), ZOO[name].example_input(full=True)
        program = torch.export.export(model, (x,))
        directory.mkdir(parents=True, exist_ok=True)
        torch.export.save(program, path)
    return path


if __name__ == "__main__":
    for model in BENCHMARKED:
        print(export(model, Path(sys.argv[1])))
