"""A teacher for the finetune: after pruning, and in quantization-aware training."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tinyml import Distillation, Error, OneShotChannelPruner, QATQuantizer

torch.manual_seed(0)
X = torch.randn(8, 3, 12, 12)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 16, 3, padding=1)
        self.b = nn.Conv2d(16, 12, 3, stride=2)
        self.fc = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(F.relu(self.b(F.relu(self.a(x)))).mean((2, 3)))


def make() -> nn.Module:
    torch.manual_seed(1)
    return Net().eval()


def train(student: nn.Module, distillation: Distillation, steps: int = 30) -> list[float]:
    """Losses of training on the teacher alone."""
    optimizer = torch.optim.Adam(student.parameters(), 2e-3)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        with distillation.watch(student):
            outputs = student(X)
        loss = distillation(outputs, X)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("kind", ["logits", "values"])
def test_it_is_zero_for_the_teacher_and_weighs_the_task(kind: str) -> None:
    teacher, student = make(), make()
    with torch.no_grad():
        student.fc.weight.mul_(1.5)
    alone = Distillation(teacher, weight=1.0, kind=kind)
    assert alone(teacher(X), X).item() == pytest.approx(0.0, abs=1e-6)
    value = alone(student(X), X, torch.tensor(123.0)).item()
    assert value > 0
    half = Distillation(teacher, weight=0.25, kind=kind)(student(X), (X,), torch.tensor(8.0))
    assert half.item() == pytest.approx(0.25 * value + 6.0, rel=1e-5)


def test_soft_targets_are_those_of_hinton() -> None:
    teacher, student = make(), make()
    with torch.no_grad():
        student.fc.weight.mul_(20)
        wanted = F.kl_div(
            F.log_softmax(student(X) / 3, 1), F.softmax(teacher(X) / 3, 1), reduction="batchmean"
        )
        loss = Distillation(teacher, temperature=3.0, weight=1.0)(student(X), X)
    assert loss.item() == pytest.approx(9 * wanted.item(), rel=1e-4)


@pytest.mark.parametrize("feature_kind", ["attention", "values"])
def test_features_are_compared(feature_kind: str) -> None:
    teacher, student = make(), make()
    with torch.no_grad():
        for parameter in student.a.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    plain = Distillation(teacher, weight=1.0)
    featured = Distillation(
        teacher, weight=1.0, features=["a", "b"], feature_weight=2.0, feature_kind=feature_kind
    )
    with torch.no_grad(), featured.watch(student):
        outputs = student(X)
    with torch.no_grad():
        hidden = [(m.a(X), m.b(F.relu(m.a(X)))) for m in (student, teacher)]
        terms = []
        for own, target in zip(*hidden, strict=True):
            if feature_kind == "values":
                terms.append(F.mse_loss(own, target) / target.var(unbiased=False))
            else:
                maps = [f.square().sum(1).flatten(1) for f in (own, target)]
                maps = [m / m.norm(dim=1, keepdim=True) for m in maps]
                terms.append((maps[0] - maps[1]).square().sum(1).mean())
        expected = plain(outputs, X) + 2.0 * sum(terms) / 2
    assert featured(outputs, X).item() == pytest.approx(expected.item(), rel=1e-4)
    assert not student.a._forward_hooks  # nothing is left on either
    assert not teacher.a._forward_hooks


def test_a_pruned_model_follows_its_original() -> None:
    model = make()
    teacher = copy.deepcopy(model)
    OneShotChannelPruner(model, X, {"sparsity": 0.5}).prune()
    losses = train(model, Distillation(teacher, weight=1.0, features=["a", "b"]))
    assert losses[-1] < 0.5 * losses[0]
    assert all(parameter.grad is None for parameter in teacher.parameters())
    with pytest.raises(Error, match=r"'a' have shape \[8, 8, 12, 12\].*'values' cannot compare"):
        train(model, Distillation(teacher, features=["a"], feature_kind="values"), 1)


def test_a_quantized_model_follows_its_original(tmp_path) -> None:
    model = make()
    teacher = copy.deepcopy(model)
    quantized = QATQuantizer(model, X, work_dir=tmp_path).quantize()
    with torch.no_grad():
        for parameter in quantized.parameters():
            parameter.mul_(1.2)
    distillation = Distillation(teacher, weight=1.0, features=["a"], feature_kind="values")
    losses = train(quantized, distillation)
    assert losses[-1] < 0.5 * losses[0]


def test_it_says_what_is_wrong() -> None:
    for arguments in (
        {"weight": 2},
        {"temperature": 0},
        {"kind": "vibes"},
        {"features": "a"},
        {"feature_kind": "vibes"},
        {"feature_weight": -1},
    ):
        with pytest.raises(Error):
            Distillation(make(), **arguments)
    with pytest.raises(Error, match="teacher has no modules 'nope'"):
        Distillation(make(), features=["nope"])
    with pytest.raises(Error, match="model has no modules 'nope'"):
        train(make(), Distillation(make(), features={"nope": "a"}), 1)
    with pytest.raises(Error, match="other shapes"):
        Distillation(make())(torch.zeros(8, 6), X)
    with pytest.raises(Error, match="watch"):
        Distillation(make(), features=["a"])(make()(X), X)
    with pytest.raises(Error, match="attention needs positions"):
        train(make(), Distillation(make(), features=["fc"]), 1)
