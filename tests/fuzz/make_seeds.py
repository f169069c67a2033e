"""Writes the seeds of the fuzz targets: small archives of real models, and the JSON texts in them.

Usage: python tests/fuzz/make_seeds.py FOLDER   (makes FOLDER/archive, FOLDER/program, FOLDER/npy)
"""

from __future__ import annotations

import re
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
from nasty import CASES

SMALL = ("InPlaceSlices", "ViewsOfEveryKind", "MutatedBuffers", "Regions", "Nested", "Dynamic")
MORE = ("Tied", "OddWeights", "ControlFlow", "FakeQuantized", "Autocast", "Layers")


def read(archive: zipfile.ZipFile, end: str) -> bytes:
    return archive.read(next(name for name in archive.namelist() if name.endswith(end)))


def shorten(program: bytes) -> bytes:
    """Without the user's source lines, which only make the input long."""
    return re.sub(rb'"stack_trace": "(?:[^"\\]|\\.)*"', b'"stack_trace": ""', program)


def write_arrays(folder: Path) -> None:
    """Arrays of every kind and layout, alone and together."""
    arrays = {
        "floats": np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 4),
        "longs": np.arange(6),
        "flags": np.array([[True], [False]]),
        "columns": np.asfortranarray(np.eye(3)),
        "number": np.float64(3),
        "empty": np.zeros((0, 5), np.int8),
        "big": np.arange(3, dtype=">i4"),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "compressed.npz", **arrays, long=np.zeros(4000, np.float32))


def main(folder: Path) -> None:
    for kind in ("archive", "program", "npy"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    write_arrays(folder / "npy")
    for name in (*SMALL, *MORE):
        case = CASES[name]
        program = torch.export.export(
            case.build(), case.arguments(), case.kwargs, dynamic_shapes=case.dynamic_shapes
        )
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "m.pt2"
            torch.export.save(program, path)
            with zipfile.ZipFile(path) as archive:
                text = shorten(read(archive, "models/model.json"))
                weights = read(archive, "model_weights_config.json")
            (folder / "program" / name).write_bytes(text + b"\0" + weights)
            if name in SMALL:
                (folder / "archive" / name).write_bytes(path.read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
