"""Writes a graph as Python source and a weights file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tinyml import _core


def generate_code(
    graph: _core.Graph,
    py_path: str | os.PathLike[str],
    weights_path: str | os.PathLike[str],
    class_name: str = "Model",
    language: str = "python",
) -> None:
    """Write the model definition to ``py_path`` and its weights to ``weights_path``.

    The generated file needs only torch. Its class has the original's state_dict keys; its
    ``load(path)`` returns the model with its weights. Weights that end in ``.safetensors`` are
    written in that format, any other name by ``torch.save``.

    ``language="cpp"`` writes a C++ header that needs only LibTorch, and ``.safetensors`` weights.
    """
    if language == "cpp":
        _core.generate_cpp_code(graph, str(py_path), str(weights_path), class_name)
        return
    if language != "python":
        raise ValueError(f"language is 'python' or 'cpp', not {language!r}.")
    py_path, weights_path = Path(py_path), Path(weights_path)
    if weights_path.suffix == ".safetensors":
        _core.generate_code(graph, str(py_path), str(weights_path), class_name)
        return
    import torch

    try:
        default = weights_path.resolve().relative_to(py_path.resolve().parent).as_posix()
    except ValueError:
        default = weights_path.resolve().as_posix()
    source, weights = _core.generate_python(graph, class_name, default)
    tensors = {name: torch.from_dlpack(view) for name, view in weights.items()}
    _replace(weights_path, lambda path: torch.save(tensors, path))
    _replace(py_path, lambda path: path.write_text(source, encoding="utf-8"))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Run ``write`` on a temporary neighbour and rename it: nothing is left half-written."""
    temporary = path.with_name(path.name + ".part")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
