"""The evaluator against PyTorch: every operator family, varied arguments, both precisions."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from models import ZOO
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


@st.composite
def convolutions(draw):
    """A convolution or its transposed form, and its input."""
    rank = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    inputs = groups * draw(st.integers(1, 3))
    outputs = groups * draw(st.integers(1, 3))

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    kernel, stride, dilation, padding = each(1, 4), each(1, 3), each(1, 3), each(0, 3)
    common = {"stride": stride, "dilation": dilation, "groups": groups, "bias": draw(st.booleans())}
    shape = (draw(st.integers(1, 2)), inputs, *(draw(st.integers(10, 13)) for _ in range(rank)))
    if draw(st.booleans()):
        extra = tuple(
            draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
        )
        kind = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[rank - 1]
        layer = kind(inputs, outputs, kernel, padding=each(0, 1), output_padding=extra, **common)
    else:
        kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[rank - 1]
        layer = kind(inputs, outputs, kernel, padding=padding, **common)
    return layer.double(), torch.randn(shape, dtype=torch.float64)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(convolutions())
def test_convolutions(case) -> None:
    layer, inputs = case
    graph = tinyml.trace(layer, (inputs,))
    (actual,) = graph.evaluate(inputs.numpy())
    check(str(layer), actual, layer(inputs), 1e-9)


@pytest.mark.parametrize("name", [name for name in ZOO if name != "densenet121"])
def test_networks(name: str) -> None:
    entry = ZOO[name]
    model = entry.small()
    inputs = entry.example_input()
    graph = tinyml.trace(model, (inputs,))
    (actual,) = graph.evaluate(inputs.numpy(), float64=True)
    with torch.no_grad():
        expected = copy.deepcopy(model).double()(inputs.double())
    scale = expected.abs().max().item()
    np.testing.assert_allclose(actual, expected.numpy(), rtol=0, atol=1e-9 * scale)
    folded = graph.fold_constants(fold_parameters=True)
    (single,) = folded.evaluate(inputs.numpy())
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected.numpy(), rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "num_layers": 2}, {"bias": False}])
def test_recurrent(kind: type[nn.Module], options: dict, tmp_path) -> None:
    check_recurrent(kind(3, 4, batch_first="bias" not in options, **options).eval(), tmp_path)


@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "num_layers": 2, "bias": False}])
def test_recurrent_with_projection(options: dict, tmp_path) -> None:
    check_recurrent(nn.LSTM(3, 5, proj_size=2, **options).eval(), tmp_path)


def check_recurrent(layer: nn.Module, tmp_path) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(2, 5, 3)
    graph = capture(layer, (inputs,), tmp_path / "m.pt2")
    expected = flatten(layer.double()(inputs.double()))
    results = graph.evaluate(inputs.double().numpy(), float64=True)
    for actual, wanted in zip(results, expected, strict=True):
        check("recurrent", actual, wanted, 1e-9)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell", "projected"])
def test_recurrent_steps_and_projections(kind: str, batch: tuple, tmp_path) -> None:
    torch.manual_seed(0)
    if kind == "projected":
        layer = nn.LSTM(3, 6, num_layers=2, bidirectional=True, proj_size=2).eval()
        inputs = (torch.randn(5, *batch, 3),)
    else:
        layer = getattr(nn, kind)(3, 4, bias=bool(batch)).eval()
        state = torch.randn(*batch, 4)
        inputs = (torch.randn(*batch, 3), (state, state.sin()) if kind == "LSTMCell" else state)
    graph = capture(layer, inputs, tmp_path / "m.pt2")
    inputs = torch.utils._pytree.tree_map(double, inputs)
    expected = flatten(layer.double()(*inputs))
    results = graph.evaluate(*[value.numpy() for value in flatten(inputs)], float64=True)
    for actual, wanted in zip(results, expected, strict=True):
        check(kind, actual, wanted, 1e-9)


def test_symbolic_sizes(tmp_path) -> None:
    class Model(nn.Module):
        def forward(self, x):
            batch, channels, height, width = x.shape
            y = x.view(batch * 2, channels // 2, height * width).transpose(1, 2)
            return y.reshape(batch, -1), torch.arange(height - 1), x.sum() * (width + 1)

    torch.manual_seed(0)
    shapes = {
        "x": {0: torch.export.Dim("b"), 2: torch.export.Dim("h", min=3), 3: torch.export.Dim("w")}
    }
    graph = capture(Model(), (torch.randn(2, 4, 5, 6),), tmp_path / "m.pt2", dynamic_shapes=shapes)
    inputs = torch.randn(3, 4, 7, 8)
    results = graph.evaluate(inputs.numpy())
    for actual, wanted in zip(results, Model()(inputs), strict=True):
        check("dynamic", actual, wanted, 1e-5)


def test_unknown_operators_are_named_with_their_source(tmp_path) -> None:
    class Model(nn.Module):
        def forward(self, x):
            return torch.linalg.inv(x) + torch.special.i0(x)

    graph = capture(Model(), (torch.eye(3),), tmp_path / "m.pt2")
    with pytest.raises(tinyml.Error) as caught:
        graph.evaluate(np.eye(3, dtype=np.float32))
    assert len(caught.value.diagnostics) == 2
    assert "linalg.inv" in caught.value.diagnostics[0].source
