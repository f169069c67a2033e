"""Pruners that cut and train in turns, on scikit-learn's digits."""

from __future__ import annotations

import copy
import multiprocessing
import os
import random
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from models import ZOO
from sklearn.datasets import load_digits
from torch import nn

from tinyml import (
    ADMMPruner,
    Error,
    GradualPruner,
    NetAdaptPruner,
    OneShotChannelPruner,
    ProgressivePruner,
    TFLiteConverter,
    _core,
)
from tinyml.prune.branches import ZeroBranch

DIGITS = load_digits()
IMAGES = torch.tensor(DIGITS.images, dtype=torch.float32).unsqueeze(1) / 16
LABELS = torch.tensor(DIGITS.target)
DUMMY = IMAGES[:2]


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.bn_a = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.b, self.bn_b = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.bn_b(self.b(F.relu(self.bn_a(self.a(x))))))


class Net(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width)
        self.block = Block(width)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.fc = nn.Linear(2 * width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.block(F.relu(self.bn(self.stem(x))))
        return self.fc(F.relu(self.down(x)).mean((2, 3)))


def make() -> Net:
    torch.manual_seed(0)
    return Net()


class Trainer:
    """`steps` batches for the whole training; remembers what it was asked for."""

    def __init__(self, steps: int, stop_at: int | None = None) -> None:
        self.steps, self.stop_at = steps, stop_at
        self.segments: list[tuple[int, float, float, bool, bool]] = []

    def __call__(self, model: nn.Module, segment) -> None:
        if segment.index == self.stop_at:
            raise KeyboardInterrupt
        assert model.training
        self.segments.append(
            (segment.index, segment.begin, segment.end, segment.final, segment.candidate)
        )
        generator = torch.Generator().manual_seed(segment.index)
        optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
        for _ in range(round(self.steps * (segment.end - segment.begin))):
            batch = torch.randint(0, 1200, (64,), generator=generator)
            optimizer.zero_grad()
            F.cross_entropy(model(IMAGES[batch]), LABELS[batch]).backward()
            optimizer.step()


def accuracy(model: nn.Module) -> float:
    with torch.no_grad():
        return (model(IMAGES[1200:]).argmax(1) == LABELS[1200:]).float().mean().item()


@pytest.mark.parametrize("pruner_class", [GradualPruner, ProgressivePruner, ADMMPruner])
def test_reaches_its_target_and_learns(pruner_class, tmp_path) -> None:
    model, trainer = make(), Trainer(300)
    pruner = pruner_class(
        model, DUMMY, {"target": {"flops": 0.2}, "multiple": 2}, train=trainer, evaluate=accuracy
    )
    assert pruner.prune() is model
    cost = pruner.calc_flops()
    assert 0.1 < cost.after.macs / cost.before.macs <= 0.2
    assert accuracy(model.eval()) > 0.6
    begins, ends = [s[1] for s in trainer.segments], [s[2] for s in trainer.segments]
    assert begins[0] == 0
    assert ends[-1] == 1
    assert begins[1:] == pytest.approx(ends[:-1])
    assert [s[3] for s in trainer.segments] == [False] * (len(begins) - 1) + [True]
    pruner.graph.generate_code(tmp_path / "m.py", tmp_path / "m.pt", "Net")
    saved = torch.load(tmp_path / "m.pt")  # what was trained last, not what was cut
    assert all(torch.equal(saved[k], v) for k, v in model.named_parameters())
    TFLiteConverter(model, DUMMY, tmp_path / "m.tflite", verify=True).convert()


@pytest.mark.parametrize("steps", [3, 6])
def test_progressive_removes_the_branch_and_keeps_the_important_channels(steps: int) -> None:
    model, trainer = make(), Trainer(120)
    config = {"target": {"flops": 0.04}, "steps": steps}
    pruner = ProgressivePruner(model, DUMMY, config, train=trainer)
    pruner.prune()
    assert len(pruner.removed_branches) == 1
    assert "subgraph" in pruner.report()
    assert isinstance(model.block.bn_b, ZeroBranch)
    assert not any(node.op.startswith("aten.add") for node in pruner.graph.nodes)
    assert model.down.out_channels > 3
    with torch.no_grad():
        model.eval()(DUMMY)


def test_a_run_is_replayed_on_another_checkpoint(tmp_path) -> None:
    model = make()
    other, third = copy.deepcopy(model), copy.deepcopy(model)
    config = {"target": {"flops": 0.04}, "steps": 2}
    pruner = ProgressivePruner(model, DUMMY, config, train=Trainer(40))
    pruner.prune()
    assert pruner.plan.removed_branches == pruner.removed_branches != []
    pruner.save_plan(tmp_path / "plan.json")
    again = OneShotChannelPruner(other, DUMMY)
    assert again.prune(plan=tmp_path / "plan.json") is other
    assert isinstance(other.block.bn_b, ZeroBranch)
    shapes = {name: value.shape for name, value in other.named_parameters()}
    assert shapes == {name: value.shape for name, value in model.named_parameters()}
    assert "subgraph" in again.report()
    with torch.no_grad():  # What is left computes as in the original.
        kept = {cut.parameter: cut.kept for cut in again.plan.cuts if cut.dimension == 0}
        assert torch.equal(other.fc.bias, third.fc.bias)
        assert torch.equal(other.stem.bias, third.stem.bias[kept["stem.bias"]])
    masks = OneShotChannelPruner(third, DUMMY)
    masks.register_mask(plan=tmp_path / "plan.json")
    assert third.block.a.weight.shape == (16, 16, 3, 3)
    with torch.no_grad():
        third.eval()
        assert torch.allclose(third(IMAGES[:50]), other.eval()(IMAGES[:50]), atol=1e-5)
    segment = SimpleNamespace(index=0, begin=0.0, end=1.0, final=True, candidate=False)
    Trainer(5)(third.train(), segment)
    with torch.no_grad():
        expected = third.eval()(IMAGES[:50])
    assert masks.apply_mask() is third
    with torch.no_grad():
        assert torch.allclose(third(IMAGES[:50]), expected, atol=1e-5)
    assert {name: value.shape for name, value in third.named_parameters()} == shapes


class Scaled(Net):
    """Its branch ends in code of no module: zeros of the last module would not stay zero."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn(self.stem(x)))
        x = x + torch.cos(self.block.b(F.relu(self.block.a(x))))
        return self.fc(F.relu(self.down(x)).mean((2, 3)))


def test_masks_that_the_code_would_not_keep_are_refused() -> None:
    torch.manual_seed(0)
    model = Scaled()
    pruner = OneShotChannelPruner(model, DUMMY)
    before = copy.deepcopy(model.state_dict())
    (branch,) = _core.find_residual_branches(pruner.graph)
    plan = pruner.make_plan(config="{sparsity: 0}").without_branches([branch.name])
    with pytest.raises(Error, match="does not compute with masks"):
        pruner.register_mask(plan=plan)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    with torch.no_grad():
        assert torch.allclose(model.eval()(DUMMY), Scaled.forward(model, DUMMY))
    assert not model.block.b._forward_hooks


def test_what_the_code_cannot_follow_stays_whole_in_runs_of_several_cuts() -> None:
    def make_encoder() -> nn.Module:
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(16, 2, 48, batch_first=True)
        return nn.TransformerEncoder(layer, 1, enable_nested_tensor=False).eval()

    x = torch.randn(1, 6, 16)
    model, config = make_encoder(), {"target": {"flops": 0.7}, "steps": 2}
    pruner = GradualPruner(model, x, config, train=lambda model, segment: None)
    with pytest.warns(UserWarning, match=r"Left whole: layers\.0\.self_attn"):
        assert pruner.prune() is model
    assert model.layers[0].self_attn.in_proj_weight.shape == (48, 16)
    assert model.layers[0].linear1.out_features < 32
    model = make_encoder()  # Here the target asks for more than the rest can give.
    pruner = GradualPruner(model, x, config | {"target": {"flops": 0.3}}, train=lambda *_: None)
    with pytest.warns(UserWarning, match="own code cannot run with fewer channels"):
        assert pruner.prune() is model  # with generated code
    assert model.layers[0].linear1.out_features < 32
    model = make_encoder()
    pruner = GradualPruner(model, x, config, train=lambda *_: None)
    with pytest.warns(UserWarning, match="own code cannot run with fewer channels"):
        assert pruner.prune(in_place=False) is not model
    assert model.layers[0].linear1.out_features == 48


def test_netadapt_takes_the_best_candidate() -> None:
    model, trainer = make(), Trainer(200)
    config = {"target": {"flops": 0.5}, "first_reduction": 0.25, "short_share": 0.05}
    pruner = NetAdaptPruner(model, DUMMY, config, train=trainer, evaluate=accuracy)
    assert pruner.prune() is model
    cost = pruner.calc_flops()
    assert 0.4 < cost.after.macs / cost.before.macs <= 0.5
    assert accuracy(model.eval()) > 0.8
    assert sum(s[4] for s in trainer.segments) >= 4  # several candidates in several steps
    with pytest.raises(Error, match="needs evaluate"):
        NetAdaptPruner(make(), DUMMY, config, train=trainer)


def test_netadapt_reaches_a_twentieth() -> None:
    """Where no layer alone can give a whole step, smaller steps follow."""
    model = ZOO["resnet8"].build()
    config = {"target": {"flops": 0.05}, "first_reduction": 0.2, "decay": 0.9}
    qualities = torch.rand(500, generator=torch.Generator().manual_seed(0)).tolist()
    pruner = NetAdaptPruner(
        model,
        ZOO["resnet8"].example_input(full=True),
        config,
        train=lambda model, segment: None,
        evaluate=lambda model: qualities.pop(),
    )
    pruner.prune()
    cost = pruner.calc_flops()
    assert 0.04 < cost.after.macs / cost.before.macs <= 0.05


@pytest.mark.parametrize("pruner_class", [ProgressivePruner, ADMMPruner])
@pytest.mark.parametrize("stop_at", [1, 3])
def test_resumes_after_a_kill(pruner_class, stop_at: int, tmp_path) -> None:
    config = {"target": {"flops": 0.05}}
    config |= {"steps": 3} if pruner_class is ProgressivePruner else {"iterations": 3}
    whole = make()
    trained = Trainer(60)
    pruner_class(whole, DUMMY, config, train=trained, work_dir=tmp_path / "a").prune()

    with pytest.raises(KeyboardInterrupt):
        pruner_class(
            make(), DUMMY, config, train=Trainer(60, stop_at), work_dir=tmp_path / "b"
        ).prune()
    resumed, rest = make(), Trainer(60)
    pruner_class(resumed, DUMMY, config, train=rest, work_dir=tmp_path / "b").prune()
    assert [s[0] for s in rest.segments] == list(range(stop_at, len(trained.segments)))
    expected = whole.state_dict()
    assert all(torch.equal(expected[k], v) for k, v in resumed.state_dict().items())

    with pytest.raises(Error, match="another pruner or configuration"):
        GradualPruner(
            make(), DUMMY, {"target": {"flops": 0.05}}, train=rest, work_dir=tmp_path / "b"
        ).prune()


KILLED = {
    GradualPruner: {"steps": 3},
    ProgressivePruner: {"steps": 3},
    ADMMPruner: {"iterations": 3},
    NetAdaptPruner: {"first_reduction": 0.3, "short_share": 0.05},
}


@pytest.mark.parametrize("pruner_class", KILLED)
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_the_process_may_die_in_the_middle_of_training(pruner_class, share, tmp_path) -> None:
    class Dying(Trainer):
        calls, last = 0, -1

        def __call__(self, model: nn.Module, segment) -> None:
            self.calls += 1
            if self.calls == self.last:
                hook = model.fc.register_forward_hook  # after some of the segment's steps
                hook(lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            super().__call__(model, segment)
            noise = torch.randn(1) + random.random() + np.random.rand()  # whole program's
            with torch.no_grad():
                model.fc.bias.add_(noise.item() * 1e-3)

    def run(folder: str, last: int = -1) -> tuple[nn.Module, Dying]:
        random.seed(0)
        np.random.seed(0)
        model, trainer = make(), Dying(60)
        trainer.last = last
        config = {"target": {"flops": 0.3}} | KILLED[pruner_class]
        options = {"evaluate": accuracy} if pruner_class is NetAdaptPruner else {}
        work_dir = tmp_path / folder
        pruner_class(model, DUMMY, config, train=trainer, work_dir=work_dir, **options).prune()
        return model, trainer

    whole, trainer = run("whole")
    last = max(2, round(share * trainer.calls))
    process = multiprocessing.get_context("fork").Process(target=run, args=("killed", last))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    resumed, rest = run("killed")
    assert rest.calls < trainer.calls or share < 0.5  # NetAdapt's first step has to be whole
    expected = whole.state_dict()
    assert all(torch.equal(expected[k], v) for k, v in resumed.state_dict().items())


def test_configurations_are_checked() -> None:
    model, trainer = make(), Trainer(10)
    with pytest.raises(Error, match="target"):
        GradualPruner(model, DUMMY, {"steps": 2}, train=trainer).prune()
    with pytest.raises(Error, match="unknown key 'iterations'"):
        GradualPruner(model, DUMMY, {"iterations": 2}, train=trainer)
    with pytest.raises(Error, match="'steps' must be"):
        GradualPruner(model, DUMMY, {"steps": 0, "target": {"flops": 0.5}}, train=trainer).prune()
    assert trainer.segments == []


def test_branches_of_networks_are_found() -> None:
    model, x = ZOO["resnet18"].small(), ZOO["resnet18"].example_input()
    pruner = ProgressivePruner(model, x, {"target": {"flops": 0.05}}, train=lambda *_: None)
    before = copy.deepcopy(model)
    pruner.prune()
    removed = [name for name, module in model.named_modules() if isinstance(module, ZeroBranch)]
    assert removed
    assert set(removed) <= {f"layer{i}.1.bn2" for i in range(1, 5)} | {"layer1.0.bn2"}
    assert sum(p.numel() for p in model.parameters()) < 0.1 * sum(
        p.numel() for p in before.parameters()
    )
