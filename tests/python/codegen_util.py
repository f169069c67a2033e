"""Round trips through generated code."""

import copy
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

import tinyml


def import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def generate(graph: tinyml.Graph, folder: Path, weights: str = "model.pt") -> nn.Module:
    """Write, lint, import and load; the model is in train mode as every new module."""
    source = folder / "generated.py"
    graph.generate_code(source, folder / weights, "Generated")
    first = source.read_text()
    graph.generate_code(source, folder / weights, "Generated")
    assert source.read_text() == first
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", str(source)]
    linted = subprocess.run(ruff, capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout + "\n" + first
    assert max(map(len, first.splitlines())) <= 120
    return import_file(source).load()


def run(model: nn.Module, args: tuple, kwargs: dict[str, Any] | None) -> list[Any]:
    torch.manual_seed(0)
    return pytree.tree_flatten(model(*copy.deepcopy(args), **copy.deepcopy(kwargs or {})))


def gradients(model: nn.Module, args: tuple, kwargs: dict[str, Any] | None) -> dict:
    leaves, _ = run(model, args, kwargs)
    generator = torch.Generator().manual_seed(1)
    loss = torch.zeros(())
    for leaf in leaves:
        if torch.is_tensor(leaf) and leaf.requires_grad:
            loss = loss + (leaf * torch.randn(leaf.shape, generator=generator)).sum()
    model.zero_grad()
    if loss.requires_grad:
        loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def assert_same_outputs(ours: nn.Module, model: nn.Module, args: tuple, kwargs: Any = None) -> None:
    with torch.no_grad():
        expected, expected_spec = run(model, args, kwargs)
        actual, actual_spec = run(ours, args, kwargs)
    assert actual_spec == expected_spec
    for a, b in zip(actual, expected, strict=True):
        if torch.is_tensor(b):
            assert a.dtype == b.dtype
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
        else:
            assert a == b


def assert_same_training(
    ours: nn.Module, model: nn.Module, args: tuple, kwargs: Any = None
) -> None:
    """Outputs and gradients of one step in train mode, and the buffers it leaves behind."""
    model = copy.deepcopy(model).train()
    ours = copy.deepcopy(ours).train()
    expected = gradients(model, args, kwargs)
    actual = gradients(ours, args, kwargs)
    assert list(actual) == list(expected)
    for name, gradient in expected.items():
        if gradient is None:
            assert actual[name] is None, name
        else:
            torch.testing.assert_close(actual[name], gradient, rtol=1e-5, atol=1e-6)
    buffers = dict(ours.named_buffers())
    for name, buffer in model.named_buffers():
        torch.testing.assert_close(buffers[name], buffer, rtol=1e-5, atol=1e-6)


def round_trip(
    model: nn.Module,
    args: tuple,
    folder: Path,
    kwargs: Any = None,
    example: tuple | None = None,
) -> nn.Module:
    """Generate code from the model's capture (with `example`, or else `args`) and compare
    everything on `args`; returns the new model."""
    model.eval()
    ours = generate(tinyml.trace(model, example or args, kwargs=kwargs), folder)
    assert sorted(ours.state_dict()) == sorted(model.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [
        name for name, _ in model.named_parameters()
    ]
    assert [p.requires_grad for p in ours.parameters()] == [
        p.requires_grad for p in model.parameters()
    ]
    for key, value in model.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key
    assert_same_outputs(ours.eval(), model, args, kwargs)
    assert_same_training(ours, model, args, kwargs)
    return ours
