"""Functions of feature maps that leave channels apart, each in a network whose channels go."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import tinyml
from prune_body import conv
from prune_checks import assert_equal, build, masked, prune_and_compare
from tinyml import OneShotChannelPruner

Function = Callable[[Tensor, Tensor], Tensor]
ROWS = torch.tensor([0, 2])

# name: the function, the channels it gives for 8 and 8, the operators that one spelling replaces
FUNCTIONS: dict[str, tuple[Function, int, tuple[str, ...]]] = {
    "hstack": (lambda a, b: torch.hstack([a, b]), 16, ("hstack",)),
    "vstack": (lambda a, b: torch.vstack([a, b]), 8, ("vstack",)),
    "dstack": (lambda a, b: torch.dstack([a, b]), 8, ("dstack",)),
    "column_stack": (lambda a, b: torch.column_stack([a, b]), 16, ("column_stack",)),
    "hsplit": (lambda a, b: torch.hsplit(a, 2)[0] + torch.hsplit(b, 2)[1], 4, ("hsplit",)),
    "vsplit": (lambda a, b: torch.vsplit(a, 2)[0] + torch.vsplit(b, [1])[1], 8, ("vsplit",)),
    "dsplit": (lambda a, b: torch.dsplit(a, 2)[0] * torch.dsplit(b, 2)[1], 8, ("dsplit",)),
    "fliplr": (lambda a, b: torch.fliplr(a), 8, ("fliplr",)),
    "flipud": (lambda a, b: torch.flipud(a), 8, ("flipud",)),
    "atleast": (lambda a, b: torch.atleast_3d(a) + b, 8, ("atleast_3d",)),
    "broadcast": (lambda a, b: sum(torch.broadcast_tensors(a, b[:, :, :1])), 8, ("broadcast",)),
    "diff": (lambda a, b: torch.diff(a, dim=2), 8, ("diff",)),
    "diff_of_more": (lambda a, b: torch.diff(a, 2, 3, prepend=b[..., :2]), 8, ()),
    "tensordot": (lambda a, b: torch.tensordot(a, b.mean((0, 1)), 1), 8, ("tensordot",)),
    "and": (lambda a, b: a * ((a > 0) & (b > 0)), 8, ("__and__",)),
    "shift": (lambda a, b: a * ((a > 0).int() << 1), 8, ("__lshift__",)),
    "atan2": (lambda a, b: torch.arctan2(a, b.abs() + 1), 8, ("arctan2",)),
    "addcdiv": (lambda a, b: torch.addcdiv(a, b, b.abs() + 1), 8, ()),
    "xlogy": (lambda a, b: torch.xlogy(a, b.abs() + 1), 8, ()),
    "ldexp": (lambda a, b: torch.ldexp(a, torch.tensor(2)), 8, ()),
    "rot90": (lambda a, b: torch.rot90(a, 1, (2, 3)), 8, ()),
    "tril": (lambda a, b: torch.tril(a), 8, ()),
    "unfold": (lambda a, b: a.unfold(2, 2, 2).mean(-1), 8, ()),
    "gather": (lambda a, b: a.gather(2, b.argsort(2)), 8, ()),
    "take_along_dim": (lambda a, b: torch.take_along_dim(a, b.argsort(3), 3), 8, ()),
    "scatter": (lambda a, b: torch.zeros_like(a).scatter(2, a.argsort(2), b), 8, ()),
    "scatter_add": (lambda a, b: a.scatter_add(3, a.argsort(3), b), 8, ()),
    "index_add": (lambda a, b: a.index_add(2, ROWS, b[:, :, :2]), 8, ()),
    "index_copy": (lambda a, b: a.index_copy(2, ROWS, b[:, :, :2]), 8, ()),
    "index_fill": (lambda a, b: a.index_fill(2, ROWS, 0.5), 8, ()),
    "index_put": (lambda a, b: a.index_put((torch.tensor([1]),), b[:1]), 8, ()),
    "cross": (lambda a, b: torch.cross(a[..., :3], b[..., :3], dim=3), 8, ()),
    "diagonal": (lambda a, b: torch.diagonal(a, dim1=2, dim2=3)[..., None], 8, ()),
    "quantile": (lambda a, b: a - a.quantile(0.5, dim=3, keepdim=True), 8, ()),
    "mask": (lambda a, b: F.relu(a) * (a.flatten(2).std(2) > 0.1)[..., None, None], 8, ()),
}


class Between(nn.Module):
    def __init__(self, function: Function, channels: int) -> None:
        super().__init__()
        self.a, self.b, self.head = conv(3, 8), conv(3, 8), conv(channels, 5, 1)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.function(self.a(x), self.b(x)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_channels_go(name):
    function, channels, respelled = FUNCTIONS[name]
    model = build(lambda: Between(function, channels))
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    graph = tinyml.trace(model, x)
    assert not [op for op in respelled if any(op in node.op for node in graph.nodes)]
    prune_and_compare(model, (x,), "l1_norm", in_place=True)
    assert model.a.out_channels < 8


def test_channels_divided_by_their_norm():
    """Of a removed channel that is 0 / 0, which nothing that remains reads."""

    def function(a, b):
        return a / a.norm(dim=(2, 3), keepdim=True)

    model = build(lambda: Between(function, 8))
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    original = copy.deepcopy(model)
    original.function = lambda a, b: torch.nan_to_num(function(a, b))
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    pruner.prune()
    assert model.a.out_channels == 4
    assert_equal(model(x), masked(original, pruner.plan)(x))


def test_tables_of_numbers_are_nobodys_to_remove():
    """Coordinates, say: cutting them would take an input of the layer that reads them."""

    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("places", torch.randn(16, 2))
            self.hidden, self.out, self.stem = nn.Linear(2, 8), nn.Linear(8, 4), nn.Linear(4, 4)

        def forward(self, x):
            return x + self.out(F.relu(self.hidden(self.places)))

    model = Positions().eval()
    pruner = OneShotChannelPruner(model, torch.randn(16, 4), {"sparsity": 0.5})
    pruner.prune()
    assert model.places.shape == (16, 2)
    assert model.hidden.weight.shape == (4, 2)
