"""The evaluator against PyTorch: every operator family, varied arguments, both precisions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import tinyml
from evaluate_cases import CASES, Family, fused


class Calls(nn.Module):
    """Runs every expression on the same inputs and returns all results."""

    def __init__(self, family: Family) -> None:
        super().__init__()
        names = ", ".join(family.inputs)
        scope = {"torch": torch, "F": F, "fused": fused}
        self.calls = [eval(f"lambda {names}: {text}", scope) for text in family.expressions]

    def forward(self, *inputs):
        return [call(*inputs) for call in self.calls]


def capture(module: nn.Module, inputs, path, **kwargs) -> tinyml.Graph:
    torch.export.save(torch.export.export(module.eval(), tuple(inputs), **kwargs), path)
    return tinyml.Graph.load(path)


def flatten(results) -> list[torch.Tensor]:
    return torch.utils._pytree.tree_leaves(results)


def double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def check(name: str, actual: np.ndarray, expected: torch.Tensor, tolerance: float) -> None:
    if not isinstance(expected, torch.Tensor):
        expected = torch.tensor(expected)
    assert str(actual.dtype) == str(expected.dtype).removeprefix("torch."), name
    assert actual.shape == tuple(expected.shape), name
    np.testing.assert_allclose(
        actual, expected.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=name
    )


@pytest.mark.parametrize("name", CASES)
def test_operators(name: str, tmp_path) -> None:
    family = CASES[name]
    torch.manual_seed(0)
    inputs = family.make_inputs()
    module = Calls(family)
    graph = capture(module, inputs, tmp_path / "m.pt2")
    names = [
        text
        for text, call in zip(family.expressions, module.calls, strict=True)
        for _ in flatten(call(*inputs))
    ]
    arrays = [tensor.numpy() for tensor in inputs]
    expected = flatten(module(*inputs))
    for text, actual, wanted in zip(names, graph.evaluate(*arrays), expected, strict=True):
        check(text, actual, wanted, family.tolerance)
    if not family.float64:
        return
    exact = [double(tensor) for tensor in inputs]
    torch.set_default_dtype(torch.float64)  # what integers become
    try:
        expected = flatten(module(*exact))
    finally:
        torch.set_default_dtype(torch.float32)
    arrays = [tensor.numpy() for tensor in exact]
    results = graph.evaluate(*arrays, float64=True)
    for text, actual, wanted in zip(names, results, expected, strict=True):
        if "half" in text or "float16" in text:
            continue  # computed in float64 here, but not by PyTorch
        check(f"{text} in float64", actual, double(torch.as_tensor(wanted)), 1e-9)
