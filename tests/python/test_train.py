"""The C++ GraphModule computes what PyTorch does: outputs, gradients, buffers, in both modes.

The whole zoo: `TINYML_WHOLE_ZOO=1 pytest tests/python/test_train.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from models import DEPLOYED, ZOO
from torch import nn

from train_cases import assert_same, run_cases, write_case

ALL = {**ZOO, **DEPLOYED}
# Depthwise layers and batch norm; a distilled transformer; embeddings; recurrent layers.
THIN = ("mobilenet_v2", "deit_tiny_distilled", "bert_tiny", "crnn")
# Branches of their own on self.training, or dropout inside attention: only a capture in train mode
# knows what these do there.
BRANCHES = {"efficientnet_b0", "deit_tiny_distilled", "yolov5n", "conformer"}
NETWORKS = list(ALL) if os.environ.get("TINYML_WHOLE_ZOO") else THIN


def example(name: str) -> tuple[torch.Tensor, ...]:
    """Two examples, so that batch norm has something to normalize."""
    entry = ALL[name]
    x = torch.randn((2, *entry.shape[1:]), generator=torch.Generator().manual_seed(0))
    return (x,) if entry.make_inputs is None else entry.make_inputs(x)


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name: str, tmp_path: Path) -> None:
    folders = [tmp_path / "eval", tmp_path / "train"]
    model, args = ALL[name].small(), example(name)
    write_case(folders[0], model, args, train=False)
    if name in BRANCHES:
        # As captured: random in-place operators have no functional form.
        write_case(folders[1], model, args, train=True, capture_train=True, raw=True)
    else:
        write_case(folders[1], model, args, train=True, captured=folders[0] / "model.pt2")
    results = run_cases(folders)
    for folder in folders:
        assert_same(folder, results[str(folder)])


class Tied(nn.Module):
    """Two names for one weight, a frozen parameter, a buffer that changes in every pass."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.first.bias.requires_grad_(False)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.mean.mul_(0.9).add_(x.detach().mean(0), alpha=0.1)
        return self.second(F.relu_(self.first(x))) + self.calls + self.mean


class Norms(nn.Module):
    """Norms with every kind of statistics, dropout."""

    def __init__(self, momentum: float | None) -> None:
        super().__init__()
        self.cumulative = nn.BatchNorm2d(4, momentum=momentum)
        self.stateless = nn.BatchNorm2d(4, track_running_stats=False)
        self.instance = nn.InstanceNorm2d(4, affine=True, track_running_stats=True)
        self.plain_instance = nn.InstanceNorm2d(4)
        self.dropout = nn.Dropout(0.4)
        self.channels = nn.Dropout2d(0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dropout(self.stateless(self.cumulative(x)))
        return self.channels(self.plain_instance(self.instance(x) * x + x))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 7, num_layers=2, dropout=0.3, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(14, 6, batch_first=True)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, (h, _) = self.lstm(x)
        return self.gru(y)[0], h


class Control(nn.Module):
    """torch.cond whose branches have gradients, and a while loop."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.cond(x.sum() > 0, lambda v: v.sin() * 2, lambda v: v.cos() - 1, (self.layer(x),))
        _, z = torch.ops.higher_order.while_loop(
            lambda i, v: i < 3,
            lambda i, v: (i + 1, v * 0.5 + 1),
            (torch.zeros((), dtype=torch.int64), x.detach()),
            (),
        )
        return y + z


class Regions(nn.Module):
    """no_grad and autocast regions, in-place writes into slices."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(6, 6)
        self.head = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            gate = torch.sigmoid(self.stem(x))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = self.head(x)
        y = y.float() * gate
        y[:, :2] = y[:, :2] * 3
        return torch.where(x > 0, y, y.abs())


class Sizes(nn.Module):
    """Arithmetic on sizes, lists, several results, indexing."""

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        a, b = x.chunk(2, 1)
        values, indices = a.topk(2, dim=-1)
        stacked = torch.stack([a, b]).reshape(-1, x.shape[0] * 3)
        return [stacked, values.gather(-1, indices.clamp(max=1)), x[:, [0, 2]], x.new_full((2,), 3)]


CASES = {
    "tied": (Tied(), (torch.randn(3, 6),), {}),
    "tied_raw": (Tied(), (torch.randn(3, 6),), {"raw": True}),
    "norms": (Norms(None), (torch.randn(3, 4, 5, 5),), {}),
    "norms_captured_in_train": (Norms(0.2), (torch.randn(3, 4, 5, 5),), {"capture_train": True}),
    "recurrent": (Recurrent(), (torch.randn(2, 6, 5),), {}),
    "control": (Control(), (torch.randn(3, 4),), {}),
    "regions_raw": (Regions(), (torch.randn(3, 6),), {"raw": True}),
    "sizes": (Sizes(), (torch.randn(2, 6, 3),), {}),
}


def test_modules(tmp_path: Path) -> None:
    folders = []
    for name, (model, args, options) in CASES.items():
        first = tmp_path / f"{name}_eval"
        write_case(first, model, args, train=False, **options)
        folders += [first, tmp_path / f"{name}_train"]
        write_case(folders[-1], model, args, train=True, captured=first / "model.pt2", **options)
    results = run_cases(folders)
    for folder in folders:
        assert_same(folder, results[str(folder)])
