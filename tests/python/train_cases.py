"""Writes what PyTorch computes, and asks the C++ GraphModule (run_graph_module) for the same."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

ROOT = Path(__file__).resolve().parents[2]


def built(name: str) -> Path:
    """A test program that is built where LibTorch is."""
    path = Path(os.environ.get("TINYML_BUILD_DIR", ROOT / "build")) / name
    if not path.exists():
        pytest.skip(f"{name} is not built (no LibTorch)")
    return path


def _save(folder: Path, name: str, tensor: torch.Tensor) -> None:
    np.save(folder / f"{name}.npy", tensor.detach().contiguous().numpy())


def write_case(
    folder: Path,
    model: nn.Module,
    args: tuple[Any, ...],
    *,
    train: bool,
    raw: bool = False,
    capture_train: bool = False,
    captured: Path | None = None,
) -> None:
    """One forward and backward pass of `model` in a folder; the model is captured in eval mode
    unless `capture_train`, or was `captured` already."""
    folder.mkdir(parents=True)
    model = copy.deepcopy(model).train(capture_train)
    if captured is None:
        program = torch.export.export(model, args, strict=False)
        torch.export.save(program, folder / "model.pt2")
    else:
        shutil.copy(captured, folder / "model.pt2")
    (folder / "mode.txt").write_text(("train" if train else "eval") + (" raw" if raw else ""))
    model.train(train)
    inputs = [x.clone() for x in tree_leaves(args) if isinstance(x, torch.Tensor)]
    for i, x in enumerate(inputs):
        _save(folder, f"input{i}", x)
    differentiable = [x for x in inputs if x.is_floating_point()]
    if len(differentiable) == len(inputs):
        for x in inputs:
            x.requires_grad_()
    torch.manual_seed(0)
    outputs = [y for y in tree_leaves(model(*inputs)) if isinstance(y, torch.Tensor)]
    loss = torch.zeros(())
    generator = torch.Generator().manual_seed(1)
    for i, y in enumerate(outputs):
        _save(folder, f"output{i}", y)
        if y.requires_grad:
            cotangent = torch.randn(y.shape, generator=generator)
            _save(folder, f"cotangent{i}", cotangent)
            loss = loss + (y * cotangent).sum()
    if loss.requires_grad:
        loss.backward()
    for i, x in enumerate(inputs):
        if x.grad is not None:
            _save(folder, f"inputgrad{i}", x.grad)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            _save(folder, f"grad.{name}", parameter.grad)
    for name, buffer in model.named_buffers():
        if name in model.state_dict():
            _save(folder, f"state.{name}", buffer)


def run_cases(folders: list[Path]) -> dict[str, dict[str, float]]:
    """For each folder: file -> the largest error over the largest value expected."""
    command = [str(built("run_graph_module")), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results: dict[str, dict[str, float]] = {str(folder): {} for folder in folders}
    for line in done.stdout.splitlines():
        folder, file, error = line.rsplit(" ", 2)
        results[folder][file] = float(error)
    return results


def assert_same(folder: Path, result: dict[str, float], tolerance: float = 1e-4) -> None:
    """Every file that PyTorch wrote was compared and agrees."""
    expected = {
        path.stem
        for path in folder.glob("*.npy")
        if path.name.startswith(("output", "grad.", "inputgrad", "state."))
    }
    assert expected == result.keys()
    # A bias in front of a batch norm has no gradient but rounding, so gradients that are tiny
    # beside the largest are compared with a thousandth of that.
    sizes = {name: _largest(folder / f"{name}.npy") for name in result if name.startswith("grad.")}
    floor = 1e-3 * max(sizes.values(), default=0)
    wrong = {}
    for name, error in result.items():
        size = sizes.get(name, 0)
        relative = error * size / floor if 0 < size < floor else error
        if not relative <= tolerance:
            wrong[name] = relative
    assert not wrong, wrong


def _largest(path: Path) -> float:
    return float(np.abs(np.load(path)).max(initial=0))
