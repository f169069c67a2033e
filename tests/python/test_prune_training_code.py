"""Channels that only training reads are cut with the others."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
from models import randomize
from torch import nn

from tinyml import GradualPruner, OneShotChannelPruner, trace


class AuxiliaryHead(nn.Module):
    """A classifier in the middle of the network that only the loss sees, as in Inception."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.aux_conv = nn.Conv2d(16, 12, 1)
        self.aux_linear = nn.Linear(12, 5)
        self.body = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor):
        x = self.stem(x)
        aux = None
        if self.training:
            aux = self.aux_linear(F.dropout(F.relu(self.aux_conv(x)).mean((2, 3)), 0.5, True))
        y = self.head(self.body(x).mean((2, 3)))
        return (y, aux) if self.training else y


def train_step(model: nn.Module) -> None:
    model.train()
    y, aux = model(torch.randn(4, 3, 8, 8))
    (y.square().mean() + aux.square().mean()).backward()
    assert model.aux_conv.weight.grad is not None


def make() -> nn.Module:
    torch.manual_seed(0)
    return randomize(AuxiliaryHead())


def test_auxiliary_head_is_cut_with_the_stem() -> None:
    model, x = make(), torch.randn(1, 3, 8, 8)
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    assert pruner.graph.output_names == trace(model, x).output_names  # inference alone
    pruner.prune()
    assert model.stem[0].out_channels == model.aux_conv.in_channels == 8
    assert model.aux_conv.out_channels == model.aux_linear.in_features == 6
    train_step(model)
    assert pruner.calc_flops().after.macs < 0.5 * pruner.calc_flops().before.macs
    assert "aux_conv" in pruner.report()
    expected = model.eval()(x)
    (actual,) = trace(model, x).evaluate(x)
    torch.testing.assert_close(torch.from_dlpack(actual), expected, rtol=1e-4, atol=1e-5)


def test_pruner_of_several_cuts_trains_the_auxiliary_head() -> None:
    model, x = make(), torch.randn(1, 3, 8, 8)
    steps = []
    pruner = GradualPruner(
        model,
        x,
        {"target": {"flops": 0.4}, "steps": 2},
        train=lambda m, s: steps.append(train_step(m)),
    )
    pruned = pruner.prune()
    assert pruned is model
    assert len(steps) >= 3
    assert model.aux_conv.in_channels == model.stem[0].out_channels < 16


def test_modes_stay_as_they_were() -> None:
    model = make().train()
    model.stem[1].eval()
    before = [module.training for module in model.modules()]
    statistics = copy.deepcopy(model.stem[1].state_dict())
    OneShotChannelPruner(model, torch.randn(1, 3, 8, 8), {"sparsity": 0.25})
    assert [module.training for module in model.modules()] == before
    torch.testing.assert_close(model.stem[1].state_dict(), statistics)


def test_training_code_that_cannot_be_captured_is_named() -> None:
    class Uncapturable(AuxiliaryHead):
        def forward(self, x: torch.Tensor):
            if self.training and x.sum().item() > 0:
                return self.aux_linear(self.aux_conv(self.stem(x)).mean((2, 3)))
            return self.head(self.body(self.stem(x)).mean((2, 3)))

    with pytest.warns(UserWarning, match="'aux_conv.weight'.*exclude_ops"):
        OneShotChannelPruner(Uncapturable(), torch.randn(1, 3, 8, 8))


def test_parameters_that_nothing_uses_do_not_matter() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1))
    model.forgotten = nn.Linear(3, 3)
    model.forward = lambda x: model[2](model[1](model[0](x)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OneShotChannelPruner(model, torch.randn(1, 3, 8, 8), {"sparsity": 0.5}).prune()
    assert model[0].out_channels == 4
