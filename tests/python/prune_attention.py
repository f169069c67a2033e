"""Small networks with attention and products of activations, as people write them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

TOKENS = (2, 5, 12)


class Manual(nn.Module):
    """Three projections, products written out, the scale a constant of the module."""

    def __init__(self, dim: int = 12, heads: int = 3) -> None:
        super().__init__()
        self.num_heads, self.head_dim = heads, dim // heads
        self.scale = self.head_dim**-0.5
        self.q, self.k, self.v = (nn.Linear(12, dim) for _ in range(3))
        self.out = nn.Linear(dim, 6)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.num_heads, self.head_dim).transpose(1, 2)

    def join(self, y):
        return self.out(y.transpose(1, 2).flatten(2))

    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        scores = (q * self.scale) @ k.transpose(-2, -1)
        return self.join(scores.softmax(-1) @ v)


class Fused(Manual):
    """The default scale depends on the size of a head: the module's own code cannot follow."""

    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        return self.join(F.scaled_dot_product_attention(q, k, v))


class FusedScaled(Manual):
    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        mask = torch.ones(5, 5, dtype=torch.bool).tril()
        return self.join(F.scaled_dot_product_attention(q, k, v, mask, scale=self.scale))


class Causal(Manual):
    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.scale)
        return self.join(y)


class FusedQkv(Manual):
    """One projection, as in vision transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(12, 36, bias=False)
        del self.q, self.k, self.v

    def forward(self, x):
        b, n, _ = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        return self.join((q @ k.mT * self.scale).softmax(-1) @ v)


class ChunkedQkv(FusedQkv):
    def forward(self, x):
        q, k, v = map(self.split, self.qkv(x).chunk(3, dim=-1))
        y = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        return self.join(y)


class HeadsFirstQkv(FusedQkv):
    """Each head's query, key and value side by side."""

    def forward(self, x):
        b, n, _ = x.shape
        qkv = self.qkv(x).view(b, n, self.num_heads, 3 * self.head_dim).transpose(1, 2)
        q, k, v = qkv.chunk(3, dim=-1)
        return self.join((q @ k.transpose(2, 3) * self.scale).softmax(-1) @ v)


class Einsum(Manual):
    def split(self, x):
        return x.unflatten(-1, (self.num_heads, self.head_dim))

    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) * self.scale
        y = torch.einsum("bhqk, bkhd -> bqhd", scores.softmax(-1), v)
        return self.out(y.flatten(2))


class EinsumWeights(nn.Module):
    """Projections as parameters with a dimension for heads; all but one letter named."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Parameter(torch.randn(12, 3, 4)) for _ in range(3))
        self.o = nn.Parameter(torch.randn(3, 4, 6))

    def forward(self, x):
        q, k, v = (torch.einsum("...d,dhe->...he", x, w) for w in (self.q, self.k, self.v))
        p = torch.einsum("bqhe,bkhe->bhqk", q, k).softmax(-1)
        return torch.einsum("bhqk,bkhe,heo->bqo", p, v, self.o)


class BatchedHeads(Manual):
    """Heads merged with the batch, as in torch's own layer."""

    def split(self, x):
        b, n, _ = x.shape
        y = x.view(b, n, self.num_heads, self.head_dim).transpose(1, 2)
        return y.reshape(b * self.num_heads, n, self.head_dim)

    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        y = torch.bmm(torch.bmm(q * self.scale, k.transpose(1, 2)).softmax(-1), v)
        return self.join(y.view(x.shape[0], self.num_heads, x.shape[1], self.head_dim))


class GroupedQueries(nn.Module):
    """Four heads of queries share two of keys and values; `how` they are repeated."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.head_dim, self.scale = how, 4, 0.5
        self.q, self.k, self.v = nn.Linear(12, 16), nn.Linear(12, 8), nn.Linear(12, 8)
        self.out = nn.Linear(16, 6)

    def forward(self, x):
        def split(y):
            return y.view(y.shape[0], y.shape[1], -1, self.head_dim).transpose(1, 2)

        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        if self.how == "interleave":
            k, v = k.repeat_interleave(2, dim=1), v.repeat_interleave(2, dim=1)
        elif self.how == "expand":
            k, v = (y[:, :, None].expand(-1, -1, 2, -1, -1).flatten(1, 2) for y in (k, v))
        y = F.scaled_dot_product_attention(
            q, k, v, scale=self.scale, enable_gqa=self.how == "operator"
        )
        return self.out(y.transpose(1, 2).flatten(2))


class Rotary(Manual):
    def __init__(self) -> None:
        super().__init__()
        angles = torch.outer(torch.arange(5.0), 0.1 ** torch.arange(2.0)).repeat(1, 2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin(), persistent=False)

    def rotate(self, x):
        a, b = x.chunk(2, dim=-1)
        return x * self.cos + torch.cat([-b, a], -1) * self.sin

    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        q, k = self.rotate(q), self.rotate(k)
        return self.join(F.scaled_dot_product_attention(q, k, v, scale=self.scale))


class RelativeTable(Manual):
    """A bias for each head and distance, looked up; and a temperature for each head."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(9, 3))
        self.temperature = nn.Parameter(torch.rand(3, 1, 1) + 0.5)
        places = torch.arange(5)
        self.register_buffer("index", places[:, None] - places[None] + 4)

    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * self.temperature
        bias = self.table[self.index.view(-1)].view(5, 5, -1).permute(2, 0, 1)
        return self.join((scores + bias.unsqueeze(0)).softmax(-1) @ v)


class RelativeKeys(Manual):
    """A learned vector for each distance, multiplied with queries."""

    def __init__(self) -> None:
        super().__init__()
        self.distance = nn.Embedding(9, 4)

    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        places = torch.arange(5)
        vectors = self.distance(places[:, None] - places[None] + 4)
        scores = q @ k.mT + torch.einsum("bhqd,qkd->bhqk", q, vectors)
        return self.join((scores * self.scale).softmax(-1) @ v)


class Cross(nn.Module):
    """Learned queries read what a convolution makes; without a softmax of its own layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(1, 3, 8))
        self.conv, self.kv = nn.Conv1d(12, 8, 1), nn.Linear(8, 16)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = F.relu(self.conv(x.transpose(1, 2))).transpose(1, 2)
        k, v = self.kv(x).chunk(2, -1)
        weights = (self.queries @ k.transpose(1, 2) / math.sqrt(8)).softmax(-1)
        return self.out(weights @ v)


class Residual(nn.Module):
    """Without normalisation the residual stream can shrink too."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.attention = nn.Linear(12, 12), Manual()
        self.attention.out = nn.Linear(12, 12)
        self.mlp = nn.Sequential(nn.Linear(12, 16), nn.GELU(), nn.Linear(16, 12))
        self.head = nn.Linear(12, 4)

    def forward(self, x):
        x = self.embed(x)
        x = x + self.attention(x)
        return self.head((x + self.mlp(x)).mean(1))


class ChannelAttention(nn.Module):
    """Attention between channels: their number is both rows and what is summed over."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Conv1d(12, 8, 1) for _ in range(3))
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        x = x.transpose(1, 2)
        q, k, v = self.q(x), self.k(x), self.v(x)
        mixed = torch.tanh(q @ k.transpose(1, 2)) @ v
        return self.out(mixed.transpose(1, 2))


class Bilinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.mix = nn.Linear(12, 8), nn.Linear(12, 6), nn.Bilinear(8, 6, 5)
        self.c = nn.Linear(5, 4)

    def forward(self, x):
        return self.c(self.mix(F.relu(self.a(x)), self.b(x)))


class Multihead(nn.Module):
    """torch's own layer."""

    def __init__(self, weights: bool = False, **kwargs) -> None:
        super().__init__()
        self.weights = weights
        self.attention = nn.MultiheadAttention(12, 3, **{"batch_first": True, **kwargs})
        self.other = nn.Linear(12, self.attention.kdim)
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        memory = self.other(x)
        y, weights = self.attention(x, memory, memory, need_weights=self.weights)
        return (self.fc(y), weights) if self.weights else self.fc(y)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(12, 3, 16, batch_first=True), 2, enable_nested_tensor=False
        )
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        return self.fc(self.layers(x))


def _grouped(how: str) -> Callable[[], nn.Module]:
    return lambda: GroupedQueries(how)


ATTENTION: dict[str, Callable[[], nn.Module]] = {
    **{
        cls.__name__: cls
        for cls in (
            Manual, Fused, FusedScaled, Causal, FusedQkv, ChunkedQkv, HeadsFirstQkv, Einsum,
            EinsumWeights, BatchedHeads, Rotary, RelativeTable, RelativeKeys, Cross, Residual,
            ChannelAttention, Bilinear, Multihead, Layer,
        )
    },
    "GroupedInterleaved": _grouped("interleave"),
    "GroupedExpanded": _grouped("expand"),
    "GroupedOperator": _grouped("operator"),
    "MultiheadWeights": lambda: Multihead(weights=True, batch_first=False),
    "MultiheadOther": lambda: Multihead(kdim=8, vdim=8, bias=False),
}  # fmt: skip
GENERATED = {"Fused", "Multihead", "MultiheadWeights", "MultiheadOther", "Layer"}
"""Those whose code takes the size of a head from elsewhere than their own attributes."""
