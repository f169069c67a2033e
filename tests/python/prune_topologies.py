"""Small networks with awkward channel dependencies, as people write them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

import prune_operators as operators
import prune_rearranging as rearranging
from prune_body import IMAGE, TOKENS, Body, conv
from prune_operators import Unfold


class Plain(Body):
    def body(self, x):
        return x


class Residual(Body):
    def __init__(self):
        super().__init__()
        self.a, self.b = conv(12, 12), conv(12, 12)

    def body(self, x):
        x = x + self.a(x)
        return F.relu(x + self.b(F.relu(x)))


class SqueezeExcite(Body):
    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(12, 4, 1), nn.Conv2d(4, 12, 1)

    def body(self, x):
        s = F.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(self.up(F.relu(self.down(s))))


class SqueezeExciteLinear(Body):
    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Linear(12, 4), nn.Linear(4, 12)

    def body(self, x):
        s = x.mean((2, 3))
        s = F.hardsigmoid(self.up(F.relu(self.down(s))))
        return x * s[:, :, None, None]


class Grouped(Body):
    def __init__(self):
        super().__init__(24, 24)
        self.a, self.norm = conv(24, 24, groups=4, bias=False), nn.BatchNorm2d(24)

    def body(self, x):
        return F.relu(self.norm(self.a(x)))


class GroupedResidual(Body):
    def __init__(self):
        super().__init__(24, 24)
        self.a, self.b = conv(24, 24, groups=4), conv(24, 24, groups=2)

    def body(self, x):
        return x + self.b(F.relu(x + self.a(x)))


class Depthwise(Body):
    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(conv(12, 12, groups=12), nn.BatchNorm2d(12), nn.ReLU6())

    def body(self, x):
        return self.a(x)


class DepthwiseMultiplier(Body):
    def __init__(self):
        super().__init__(12, 24)
        self.a = conv(12, 24, groups=12)

    def body(self, x):
        return self.a(x)


class Transposed(Body):
    def __init__(self):
        super().__init__(12, 10)
        self.a = nn.ConvTranspose2d(12, 10, 2, stride=2)

    def body(self, x):
        return F.relu(self.a(x))


class TransposedGrouped(Body):
    def __init__(self):
        super().__init__(12, 12)
        self.a = nn.ConvTranspose2d(12, 12, 3, groups=3)
        self.b = nn.ConvTranspose2d(12, 12, 3, groups=12)

    def body(self, x):
        return self.b(F.relu(self.a(x)))


class FlattenLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = conv(3, 8), nn.Linear(8 * 4 * 4, 16)
        self.c = nn.Linear(16, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.a(x)), 2)
        return self.c(F.relu(self.b(torch.flatten(x, 1))))


class ViewLinear(FlattenLinear):
    def forward(self, x):
        x = F.avg_pool2d(F.relu(self.a(x)), 2)
        return self.c(F.gelu(self.b(x.view(x.size(0), -1))))


class SharedConv(Body):
    def __init__(self):
        super().__init__()
        self.a, self.n1, self.n2 = conv(12, 12), nn.BatchNorm2d(12), nn.BatchNorm2d(12)

    def body(self, x):
        return self.n2(self.a(F.relu(self.n1(self.a(x)))))


class SharedHead(Body):
    """One convolution reads two tensors."""

    def __init__(self):
        super().__init__(12, 8)
        self.a, self.shared = conv(12, 12), conv(12, 8)

    def body(self, x):
        return self.shared(x) + self.shared(self.a(x))


class TiedWeights(Body):
    def __init__(self):
        super().__init__()
        self.a, self.b = conv(12, 12), conv(12, 12)
        self.b.weight = self.a.weight

    def body(self, x):
        return self.b(F.relu(self.a(x)))


class PReLU(Body):
    def __init__(self):
        super().__init__()
        self.a, self.one = nn.PReLU(12), nn.PReLU()

    def body(self, x):
        return self.a(self.one(-x))


class BroadcastScale(Body):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.rand(12, 1, 1) + 0.5)
        self.shift = nn.Parameter(torch.randn(1, 12, 1, 1))

    def body(self, x):
        return x * self.scale + self.shift


class ChannelConstant(Body):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.randn(12, 1, 1))
        self.register_buffer("std", torch.rand(12, 1, 1) + 0.5, persistent=False)

    def body(self, x):
        return (x - self.mean) / self.std


class SpatialAttention(Body):
    """Sums and maxima over channels: what feeds the maximum cannot shrink, what is inside can."""

    def __init__(self):
        super().__init__()
        self.a, self.mix = conv(12, 12), conv(2, 1)

    def body(self, x):
        x = self.a(F.relu(x))
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.mix(pooled))


class GroupNorm(Body):
    def __init__(self):
        super().__init__()
        self.norm, self.single = nn.GroupNorm(4, 12), nn.GroupNorm(12, 12)

    def body(self, x):
        return F.relu(self.norm(self.single(x)))


class InstanceNorm(Body):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.InstanceNorm2d(12, affine=True), nn.InstanceNorm2d(12)

    def body(self, x):
        return self.b(self.a(x))


class LayerNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Linear(8, 12), nn.LayerNorm(12)
        self.b, self.c = nn.Linear(12, 16), nn.Linear(16, 5)

    def forward(self, x):
        return self.c(F.gelu(self.b(self.norm(self.a(x)))))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 12 * 4 * 4), conv(12, 6)
        self.c = conv(6, 3)

    def forward(self, x):
        x = F.relu(self.a(x[:, 0])).view(x.shape[0], -1, 4, 4)
        return self.c(F.relu(self.b(x)))


class Permuted(Body):
    """Linear layers over channels-last maps."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(12, 20), nn.Linear(20, 12)

    def body(self, x):
        y = self.b(F.relu(self.a(x.permute(0, 2, 3, 1))))
        return x + y.permute(0, 3, 1, 2)


class Upsample(Body):
    def __init__(self):
        super().__init__(12, 24)
        self.a = conv(12, 12)

    def body(self, x):
        y = F.max_pool2d(self.a(x), 2)
        return torch.cat([x, F.interpolate(y, scale_factor=2.0)], 1)


class ParameterMatrix(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 12)
        self.matrix = nn.Parameter(torch.randn(12, 10))
        self.b = nn.Linear(10, 5)

    def forward(self, x):
        return self.b(F.relu(F.relu(self.a(x)) @ self.matrix))


class ListOutput(Body):
    def __init__(self):
        super().__init__()
        self.a, self.b = conv(12, 8), conv(8, 4)

    def forward(self, x):
        x = self.stem(x)
        y = F.relu(self.a(x))
        return [self.head(x), {"map": self.b(y), "pooled": self.b(y).mean((2, 3))}]


class Conv1d(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.n = nn.Conv1d(8, 12, 3, padding=1), nn.BatchNorm1d(12)
        self.b, self.c = nn.Conv1d(12, 12, 3, padding=1, groups=12), nn.Linear(12, 5)

    def forward(self, x):
        return self.c(self.b(F.relu(self.n(self.a(x)))).mean(-1))


class UnflattenModule(nn.Module):
    """The sizes are in an attribute of torch's layer."""

    def __init__(self):
        super().__init__()
        self.a, self.split = nn.Linear(8, 12), nn.Unflatten(-1, (3, 4))
        self.b, self.c = nn.Linear(4, 6), nn.Linear(6, 5)

    def forward(self, x):
        return self.c(F.relu(self.b(self.split(self.a(x)))))


class WeightNorm(Body):
    """Weights are v / |v| * g: a removed filter takes its g along, and v keeps its length."""

    def __init__(self):
        super().__init__()
        weight_norm = nn.utils.parametrizations.weight_norm
        self.a, self.b = weight_norm(conv(12, 10)), weight_norm(nn.Conv2d(10, 12, 1, bias=False))

    def body(self, x):
        return x + self.b(F.relu(self.a(x)))


class WeightNormColumns(nn.Module):
    """One norm for each input."""

    def __init__(self):
        super().__init__()
        self.a = nn.utils.parametrizations.weight_norm(nn.Linear(8, 12), dim=1)
        self.b = nn.utils.parametrizations.weight_norm(nn.Linear(12, 10))
        self.c = nn.Linear(10, 5)

    def forward(self, x):
        return self.c(F.relu(self.b(F.relu(self.a(x)))))


class Embedding(nn.Module):
    """Rows are looked up; the vectors' length is that of the positions added to them."""

    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(9, 12), nn.Parameter(torch.randn(8, 12))
        self.a, self.b = nn.Linear(12, 10), nn.Linear(10, 5)

    def forward(self, x):
        ids = (x[..., 0].abs() * 4).long().clamp(max=8)
        return self.b(F.relu(self.a(self.tokens(ids) + self.positions)))


class TiedEmbedding(nn.Module):
    """The table is also the classifier."""

    def __init__(self):
        super().__init__()
        self.tokens, self.a = nn.Embedding(9, 12), nn.Linear(12, 12)

    def forward(self, x):
        ids = (x[..., 0].abs() * 4).long().clamp(max=8)
        return F.linear(F.relu(self.a(self.tokens(ids))), self.tokens.weight)


TOPOLOGIES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    cls.__name__: (cls, IMAGE if issubclass(cls, Body | FlattenLinear | Unfold) else TOKENS)
    for cls in (
        Plain, Residual, SqueezeExcite, SqueezeExciteLinear, Grouped, GroupedResidual, Depthwise,
        DepthwiseMultiplier, Transposed, TransposedGrouped, FlattenLinear, ViewLinear, SharedConv,
        SharedHead, TiedWeights, PReLU, BroadcastScale, ChannelConstant, SpatialAttention,
        GroupNorm, InstanceNorm, LayerNorm, Decoder, Permuted, Upsample, ParameterMatrix,
        ListOutput, Conv1d, UnflattenModule, WeightNorm, WeightNormColumns, Embedding,
        TiedEmbedding,
        *(each for each in vars(rearranging).values() if isinstance(each, type)),
        *(each for each in vars(operators).values() if isinstance(each, type)),
    )
    if cls is not Body
}  # fmt: skip
GENERATED = {
    "UnevenSplit", "PadShortcut", "LateStride", "ListedIndices", "SliceAssignment", "TensorSplit",
}  # fmt: skip
"""Those whose code says how many channels go where."""
