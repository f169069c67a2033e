"""Small modules that each hold something awkward for capture, archive or functionalization."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Case:
    constructor: Callable[[], nn.Module]
    inputs: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    dynamic_shapes: Any = None
    tolerance: float = 0.0

    def build(self) -> nn.Module:
        torch.manual_seed(0)
        return self.constructor().eval()

    def arguments(self, seed: int = 0) -> tuple[Any, ...]:
        """Fresh copies: some modules write into their inputs."""
        return torch.utils._pytree.tree_map(
            lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, self.inputs
        )


CASES: dict[str, Case] = {}


def _randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def case(*inputs: Any, **options: Any) -> Callable[[type[nn.Module]], type[nn.Module]]:
    def register(cls: type[nn.Module]) -> type[nn.Module]:
        CASES[cls.__name__] = Case(cls, inputs, **options)
        return cls

    return register


@case(_randn(2, 3, 4))
class InPlaceSlices(nn.Module):
    def forward(self, x):
        y = x * 2
        y[:, 0] = 1.0
        y[:, 1:, ::2] += x[:, 1:, ::2]
        y[..., -1].mul_(3)
        y[0, 0, 0] = 5
        z = y.clone()
        z[:, :2] = x[:, 1:]
        y[x > 0] = 0
        return y, z


@case(_randn(4, 4))
class ViewsOfEveryKind(nn.Module):
    def forward(self, x):
        y = x + 1
        flat, transposed = y.view(2, 8), y.t()
        transposed.add_(1)
        a, b = y.chunk(2, 0)
        a.relu_()
        b.mul_(2)
        y.unbind(1)[2].fill_(7.0)
        y.view(2, 2, 4).permute(2, 0, 1)[0].zero_()
        y.flatten()[3:5].copy_(x.flatten()[:2])
        diagonal = y.diagonal()
        diagonal += 1
        y.unsqueeze(1)[:, 0, 1] = 8
        y.narrow(1, 1, 2).copy_(x.narrow(1, 0, 2))
        return flat, transposed, y


@case(_randn(2, 3, 4))
class DeepViews(nn.Module):
    def forward(self, x):
        y = x.clone()
        y[0][1][2] = 4
        y[:, 1][:, 2] += 1
        a, b, c = y.split([1, 1, 2], -1)
        c.neg_()
        b.squeeze(-1).add_(a.squeeze(-1))
        y.transpose(0, 2).sub_(1)
        y.movedim(0, -1)[0].sigmoid_()
        return a, b, c, y


@case(_randn(2, 4))
class CopiesOrAliases(nn.Module):
    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout()

    def forward(self, x):
        y = x * 1
        z = self.dropout(y)  # the tensor itself in eval mode
        z += 1
        y.contiguous().mul_(2)
        y.reshape(8)[0] = 9
        copy = y.t().reshape(8)
        copy[1] = 4
        same = y.to(torch.float32)
        same -= 1
        return y, z, copy


@case(_randn(2, 4), torch.ones(2, 4, dtype=torch.int32))
class InPlaceTypes(nn.Module):
    def forward(self, x, i):
        h = x.half()
        h += x
        h.mul_(2)
        i = i * 2
        i += 3
        mask = x > 0
        mask &= x < 1
        g = x.clone()
        g.gt_(0)
        h[0] = 1.5
        i[:, 0] = x[:, 0].long()
        return h, i, mask, g


@case(_randn(5, 4))
class Scatters(nn.Module):
    def forward(self, x):
        y = torch.zeros(5, 4)
        y[torch.tensor([0, 2])] = x[:2]
        y.index_add_(0, torch.tensor([1]), x[:1])
        y.scatter_(1, torch.zeros(5, 1, dtype=torch.long), 1.0)
        y.masked_fill_(x > 0, float("-inf"))
        return y.clamp_(max=2)


@case(_randn(2, 4))
class MutatedBuffers(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self.register_buffer("scratch", torch.zeros(4), persistent=False)
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        self.mean.mul_(0.9).add_(x.detach().mean(0), alpha=0.1)
        self.count += 1
        self.mean[0] = 2
        return self.linear(x) + self.mean + self.scratch, self.count * 2


@case(_randn(2, 4))
class MutatedInput(nn.Module):
    def forward(self, x):
        x.relu_()
        return x + 1


@case(_randn(2, 4))
class Regions(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        with torch.no_grad():
            y = self.linear(x)
            y.relu_()
            with torch.enable_grad():
                z = y * 2
        with torch.autocast("cuda", enabled=False):
            w = self.linear(x)
        return y, z, w


@case(_randn(2, 4), tolerance=1e-2)
class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = self.linear(x)
            z = torch.softmax(y, -1) + x
        return z, y


@case({"a": _randn(2, 3), "b": [_randn(2, 3), 4]}, (_randn(3),), kwargs={"scale": _randn(1)})
class Nested(nn.Module):
    def forward(self, inputs, pair, *, scale):
        total = inputs["a"] + inputs["b"][0] * inputs["b"][1] + pair[0]
        return {"sum": total * scale, "rest": (None, [total.shape[0], inputs["a"]])}


@case(
    _randn(3, 4, 5),
    dynamic_shapes=({0: torch.export.Dim("n", min=2, max=64), 2: torch.export.Dim("m", min=2)},),
)
class Dynamic(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        y = self.linear(x.transpose(1, 2)).reshape(x.shape[0], -1)
        y[:, 0] = x.shape[2]
        return y, torch.zeros(x.shape[0], 2 * x.shape[2] + 1), x.shape[0]


@case(_randn(2, 4))
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.b.weight = self.a.weight
        self.same = self.a
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return F.relu(self.same(F.relu(self.b(self.a(x))))), self.a.weight


@case(_randn(2, 4))
class OddWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.every_other = nn.Parameter(torch.randn(6, 4).t()[:, ::2])
        self.half_precision = nn.Parameter(torch.randn(4).half())
        self.brain = nn.Parameter(torch.randn(4).bfloat16())
        self.frozen = nn.Parameter(torch.randn(4), requires_grad=False)
        self.factor = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("wide", torch.randn(1, 4).expand(3, 4))
        self.register_buffer("shorts", torch.tensor([1, 2], dtype=torch.int16))
        self.register_buffer("flags", torch.tensor([True, False]))
        self.register_buffer("waves", torch.randn(2, dtype=torch.complex64))
        self.register_buffer("empty", torch.zeros(0, 3))
        self.constant = torch.arange(4.0)

    def forward(self, x):
        y = (
            x * self.half_precision.float()
            + self.brain.float() * self.frozen
            + self.every_other.sum()
        )
        y = y + self.wide[0] + self.constant * self.factor + torch.tensor([1.0, 2.0, 3.0, 4.0])
        return y, self.shorts, self.flags, self.waves.abs(), self.empty


@case(_randn(2, 3, 8, 8))
class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3)
        self.norm = nn.BatchNorm2d(6)
        self.lstm = nn.LSTM(6, 5, batch_first=True)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.act = nn.Hardtanh(inplace=True)

    def forward(self, x):
        x = self.act(self.norm(self.conv(x)))
        x = F.interpolate(x, scale_factor=2, mode="bilinear")
        x = x.flatten(2).transpose(1, 2).contiguous()
        y, (h, _) = self.lstm(x)
        z, _ = self.attention(x, x, x, need_weights=False)
        values, indices = z.max(1)
        return y, h, values, indices, z.std()


@case(_randn(4, 4))
class ControlFlow(nn.Module):
    def forward(self, x):
        positions = x.nonzero()
        count = positions.shape[0]
        torch._check(count > 2)
        y = torch.cond(x.sum() > 0, lambda t: (t + 1,), lambda t: (t - 1,), (x,))[0]
        return positions * 2, count * 2, y


@case(_randn(2, 3, 4, 4))
class FakeQuantized(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("scale", torch.full((4,), 0.02))
        self.register_buffer("zero_point", torch.zeros(4, dtype=torch.int32))
        for name, value in {"low": -2.0, "high": 2.0, "out_scale": 1.0}.items():
            self.register_buffer(name, torch.tensor([value]))
        self.register_buffer("out_zero_point", torch.zeros(1, dtype=torch.int32))
        self.register_buffer("observer_on", torch.ones(1, dtype=torch.long))
        self.register_buffer("fake_quant_on", torch.ones(1, dtype=torch.long))

    def forward(self, x):
        weight = torch.fake_quantize_per_channel_affine(
            self.conv.weight, self.scale, self.zero_point, 0, -127, 127
        )
        y = F.conv2d(x, weight, self.conv.bias)
        return torch.fused_moving_avg_obs_fake_quant(
            y,
            self.observer_on,
            self.fake_quant_on,
            self.low,
            self.high,
            self.out_scale,
            self.out_zero_point,
            0.01,
            -128,
            127,
            0,
            False,
        )
