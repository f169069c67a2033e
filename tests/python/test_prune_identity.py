"""Who holds the model, or a parameter of it, goes on with what was cut."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from prune_checks import assert_equal, build, masked
from prune_topologies import TOPOLOGIES
from tinyml import GradualPruner, OneShotChannelPruner, TFLiteConverter


class Loop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.LSTMCell(8, 16), nn.Linear(16, 4)
        self.label = "kept"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = (x.new_zeros(x.shape[0], 16), x.new_zeros(x.shape[0], 16))
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        return self.out(state[0])

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        return self(x).square().mean()


@pytest.mark.parametrize("gradual", [False, True])
def test_generated_code_takes_the_place_of_code_with_sizes(gradual: bool, tmp_path) -> None:
    torch.manual_seed(0)
    model, x = Loop(), torch.randn(2, 5, 8)
    original, calls = copy.deepcopy(model), []
    model.register_forward_hook(lambda *_: calls.append(1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    if gradual:
        config = {"target": {"flops": 0.5}, "steps": 2}
        pruner = GradualPruner(model, x, config, train=lambda model, segment: model.loss(x))
    else:
        pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    with pytest.warns(UserWarning, match=r"_identity\.py:\d+ .*now runs generated code") as seen:
        assert pruner.prune() is model
    assert sum("generated code" in str(warning.message) for warning in seen) == 1
    assert isinstance(model, Loop)
    assert (model.label, model.training) == ("kept", True)
    assert model.cell.weight_hh.shape[1] < 16
    assert_equal(model(x), masked(original, pruner.plan)(x), 1e-5)
    assert calls
    before = model.loss(x)
    before.backward()
    optimizer.step()
    assert model.loss(x) < before
    copied = copy.deepcopy(model)
    copied.load_state_dict(model.state_dict())
    assert_equal(copied(x), model(x), 0.0)
    TFLiteConverter(model, x, tmp_path / "m.tflite", verify=True).convert()


def test_who_holds_a_parameter_holds_what_was_cut() -> None:
    constructor, shape = TOPOLOGIES["Residual"]
    model, x = build(constructor), torch.randn(shape, dtype=torch.float64)
    model = model.to(memory_format=torch.channels_last)
    weights = [p for p in model.parameters() if p.dim() == 4]
    gradients: list[torch.Size] = []
    for weight in weights:
        weight.group = "decayed"
        weight.register_hook(lambda gradient: gradients.append(gradient.shape))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    model(x).square().sum().backward()
    shapes = [weight.shape for weight in weights]
    gradients.clear()
    OneShotChannelPruner(model, x, {"sparsity": 0.5}).prune()
    assert [id(p) for p in model.parameters() if p.dim() == 4] == [id(p) for p in weights]
    assert any(weight.shape != shape for weight, shape in zip(weights, shapes, strict=True))
    for weight in weights:
        assert weight.group == "decayed"
        assert weight.grad.shape == weight.shape
        if min(weight.shape) > 1:
            assert weight.is_contiguous(memory_format=torch.channels_last)
    optimizer.zero_grad()
    before = model(x).square().sum()
    before.backward()
    assert sorted(gradients) == sorted(weight.shape for weight in weights)
    optimizer.step()
    assert model(x).square().sum() < before
