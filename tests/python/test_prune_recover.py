"""After the cut: reconstruction, batch norms measured anew, plans of several cuts."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tinyml import Error, GradualPruner, OneShotChannelPruner
from tinyml.prune import recalibrate_batch_norm

torch.manual_seed(0)
BATCHES = [torch.randn(8, 3, 12, 12) for _ in range(6)]
HELD_OUT = torch.randn(8, 3, 12, 12)


class Net(nn.Module):
    """Strides, paddings, no bias before batch norm, grouped and one-dimensional layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 24, 3, padding=1)
        self.b = nn.Conv2d(24, 24, 3, stride=2, padding=(1, 2), bias=False)
        self.bn = nn.BatchNorm2d(24)
        self.depthwise = nn.Conv2d(24, 24, 3, padding="same", groups=24)
        self.c = nn.Conv2d(24, 16, (1, 3), dilation=(1, 2), padding="same")
        self.d = nn.Conv1d(16, 12, 2)
        self.fc = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.depthwise(F.relu(self.bn(self.b(F.relu(self.a(x)))))))
        x = F.relu(self.c(x)).mean(2)
        return self.fc(F.relu(self.d(x)).mean(2))


def make() -> nn.Module:
    torch.manual_seed(1)
    model = Net()
    with torch.no_grad():  # channels that are much alike: what is removed can be replaced
        for layer in (model.a, model.b, model.c):
            half = layer.weight.shape[0] // 2
            layer.weight[half:] = 0.4 * layer.weight[:half].roll(1, 0)
            if layer.bias is not None:
                layer.bias[half:] = 0.4 * layer.bias[:half].roll(1, 0)
        model.train()
        for batch in BATCHES:
            model(batch)
    return model.eval()


def error(model: nn.Module, reference: nn.Module) -> float:
    with torch.no_grad():
        wanted = reference(HELD_OUT)
        return float((model(HELD_OUT) - wanted).square().sum() / wanted.square().sum())


def test_reconstruction_repairs_what_can_be_repaired() -> None:
    model = make()
    original = copy.deepcopy(model)
    pruner = OneShotChannelPruner(model, HELD_OUT, {"sparsity": 0.5})
    pruner.prune()
    before = error(model, original)
    layers = pruner.reconstruct(BATCHES)
    assert [layer.weight for layer in layers] == ["b.weight", "c.weight", "d.weight", "fc.weight"]
    assert all(layer.error_after < layer.error_before for layer in layers)
    # The removed half of a's channels is a multiple of the kept one: b can be repaired exactly.
    assert layers[0].error_after < 1e-4 < layers[0].error_before
    assert error(model, original) < 0.3 * before
    with torch.no_grad():  # the graph has the weights too
        expected = torch.from_dlpack(pruner.graph.evaluate(HELD_OUT)[0])
        assert torch.allclose(model(HELD_OUT), expected, atol=1e-5)


def test_reconstruction_equals_least_squares_of_torch() -> None:
    torch.manual_seed(2)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 2, stride=2)).eval()
    original = copy.deepcopy(model)
    pruner = OneShotChannelPruner(model, HELD_OUT, {"sparsity": {"0": 0.5}})
    pruner.prune()
    (layer,) = pruner.reconstruct(BATCHES, ridge=0.0, positions=10**9)
    with torch.no_grad():
        hidden = torch.cat([F.relu(model[0](batch)) for batch in BATCHES]).double()
        rows = F.unfold(hidden, 2, stride=2).transpose(1, 2).flatten(0, 1)
        rows = torch.cat([rows, torch.ones(len(rows), 1, dtype=torch.float64)], 1)
        wanted = torch.cat([original(batch) for batch in BATCHES]).double()
        target = wanted.flatten(2).transpose(1, 2).flatten(0, 1)
        solution = torch.linalg.lstsq(rows, target).solution
        assert torch.allclose(model[2].weight.double().flatten(1).T, solution[:-1], atol=1e-4)
        assert torch.allclose(model[2].bias.double(), solution[-1], atol=1e-4)
        left = (rows @ solution - target).square().sum() / target.square().sum()
        assert layer.error_after == pytest.approx(float(left), rel=1e-3)


def test_reconstruction_says_what_it_needs() -> None:
    pruner = OneShotChannelPruner(make(), HELD_OUT)
    with pytest.raises(Error, match="call prune"):
        pruner.reconstruct(BATCHES)
    pruner.prune()
    weights = {k: v.clone() for k, v in pruner.model.state_dict().items()}
    with pytest.raises(Error, match="needs example inputs"):
        pruner.reconstruct([])
    with pytest.raises(Error, match=r"has shape \[2, 3, 12, 12\]"):
        pruner.reconstruct([BATCHES[0][:2]])
    assert all(torch.equal(weights[k], v) for k, v in pruner.model.state_dict().items())


def test_batch_norms_are_measured_anew() -> None:
    model = make()
    with torch.no_grad():
        model.b.weight.mul_(3).add_(0.1)
    flags = [m.training for m in model.modules()]
    assert recalibrate_batch_norm(model, [(batch,) for batch in BATCHES]) == 1
    assert flags == [m.training for m in model.modules()]
    with torch.no_grad():
        inner = torch.cat([model.b(F.relu(model.a(batch))) for batch in BATCHES])
    assert torch.allclose(model.bn.running_mean, inner.mean((0, 2, 3)), atol=1e-4)
    assert torch.allclose(model.bn.running_var, inner.var((0, 2, 3)), rtol=0.05)
    assert model.bn.momentum == 0.1
    saved = model.bn.running_mean.clone()
    with pytest.raises(Error, match="give some batches"):
        recalibrate_batch_norm(model, [])
    assert torch.equal(saved, model.bn.running_mean)


def test_batch_norms_of_a_graph() -> None:
    from tinyml._core import recalibrate_batch_norm as recalibrate_graph

    from tinyml import trace

    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.BatchNorm2d(5)
    ).eval()
    graph = recalibrate_graph(trace(model, HELD_OUT), [[batch] for batch in BATCHES])
    with torch.no_grad():
        x = torch.cat(BATCHES)
        for conv, norm in ((model[0], model[1]), (model[3], model[4])):
            inner = conv(x)
            mean, var = inner.mean((0, 2, 3)), inner.var((0, 2, 3))
            name = "1" if norm is model[1] else "4"
            buffers = {k: torch.from_dlpack(v) for k, v in graph.buffers().items()}
            assert torch.allclose(buffers[f"{name}.running_mean"], mean, atol=1e-5)
            assert torch.allclose(buffers[f"{name}.running_var"], var, rtol=1e-4)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(var)
            x = F.relu(norm(inner))


def test_the_plan_of_several_cuts_cuts_another_checkpoint(tmp_path) -> None:
    model, other = make(), make()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.01)
    config = {"target": {"flops": 0.3}, "steps": 3}
    pruner = GradualPruner(model, HELD_OUT, config, train=lambda *_: None)
    pruner.prune()
    pruner.save_plan(tmp_path / "plan.json")
    expected = copy.deepcopy(other)
    again = OneShotChannelPruner(other, HELD_OUT)
    again.prune(plan=tmp_path / "plan.json")
    assert again.calc_flops().after.macs == pruner.calc_flops().after.macs
    shapes = {k: v.shape for k, v in model.state_dict().items()}
    assert shapes == {k: v.shape for k, v in other.state_dict().items()}
    kept = next(c for c in again.plan.cuts if c.parameter == "a.weight").kept
    assert torch.equal(other.a.weight, expected.a.weight[kept])
    assert torch.equal(model.a.weight, make().a.weight[kept])  # nothing was trained
    assert "\nb  " in pruner.report(tmp_path / "report.html")
