"""Small networks around single operators that move, sample or compare channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from prune_body import Body, conv


class SliceAssignment(Body):
    """Some channels written over by others, as temporal shifts are."""

    def __init__(self):
        super().__init__()
        self.a, self.b = conv(12, 12), conv(12, 4)

    def body(self, x):
        y = self.a(x).clone()
        y[:, :4] = self.b(x)
        y[:, -5:, 1:] = x[:, -5:, :-1]
        return F.relu(y)


class RowAssignment(Body):
    """All channels of some places."""

    def __init__(self):
        super().__init__()
        self.a = conv(12, 12)

    def body(self, x):
        y = torch.zeros_like(x)
        y[:, :, 0] = self.a(x).mean(2)
        y[:, :, 2:] = x[:, :, 2:]
        return y


class SpatialTransformer(Body):
    def __init__(self):
        super().__init__()
        self.a, self.where = conv(12, 10), nn.Linear(12, 6)
        self.b = conv(10, 12)

    def body(self, x):
        theta = torch.tanh(self.where(x.mean((2, 3)))).view(-1, 2, 3)
        y = self.a(x)
        grid = F.affine_grid(theta, [2, 1, 8, 8], align_corners=False)
        return self.b(F.grid_sample(y, grid, align_corners=False))


class LearnedOffsets(Body):
    """The places come from a convolution, whose two channels are coordinates."""

    def __init__(self):
        super().__init__()
        self.offsets = conv(12, 2)

    def body(self, x):
        grid = torch.tanh(self.offsets(x)).permute(0, 2, 3, 1)
        return F.grid_sample(F.relu(x), grid, align_corners=True)


class OffsetsOfHeads(Body):
    """Heads beside the batch, each with places of its own, as deformable attention has them."""

    def __init__(self):
        super().__init__(out=8)
        self.value, self.offsets = conv(12, 8), conv(12, 8, 1)

    def body(self, x):
        y = self.value(x).reshape(-1, 2, 8, 8)
        grid = torch.tanh(self.offsets(x)).reshape(-1, 2, 8, 8).permute(0, 2, 3, 1)
        return F.grid_sample(y, grid, align_corners=False).reshape(x.shape[0], -1, 8, 8)


class Unfold(nn.Module):
    """A convolution written as a product with patches."""

    def __init__(self):
        super().__init__()
        self.a, self.b = conv(3, 12), nn.Linear(12 * 9, 5)

    def forward(self, x):
        return self.b(F.unfold(F.relu(self.a(x)), 3, padding=1).transpose(1, 2))


class UnfoldFold(Body):
    """Patches changed and put back."""

    def __init__(self):
        super().__init__(12, 10)
        self.a = nn.Conv1d(12 * 4, 10 * 4, 1)

    def body(self, x):
        return F.fold(self.a(F.unfold(x, 2, stride=2)), (8, 8), 2, stride=2)


class AdaptiveInstanceNorm(Body):
    """Statistics by hand; the style's come from a layer."""

    def __init__(self):
        super().__init__()
        self.style = nn.Linear(12, 24)

    def body(self, x):
        std, mean = torch.std_mean(x, (2, 3), keepdim=True)
        scale, shift = self.style(x.mean((2, 3))).chunk(2, 1)
        return (x - mean) / (std + 1e-3) * scale[:, :, None, None] + shift[:, :, None, None]


class Maxout(Body):
    """The larger of two layers, clipped."""

    def __init__(self):
        super().__init__()
        self.a, self.b = conv(12, 12), conv(12, 12)

    def body(self, x):
        return torch.clip(torch.max(self.a(x), self.b(x)), -1, 2) + torch.fmin(x, self.a(x))


class TensorSplit(Body):
    def __init__(self):
        super().__init__()
        self.a, self.b = conv(5, 6), conv(7, 6)

    def body(self, x):
        left, right = torch.tensor_split(x, [5], dim=1)
        return torch.cat([self.a(left), self.b(right)], 1)


class CosineScores(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 12), nn.Linear(8, 12)
        self.c = nn.Linear(8, 5)

    def forward(self, x):
        scores = F.cosine_similarity(self.a(x)[:, :, None], self.b(x)[:, None], dim=-1)
        return self.c(scores @ x)


class BagOfWords(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.a, self.b = nn.EmbeddingBag(9, 12), nn.Linear(12, 10), nn.Linear(10, 5)

    def forward(self, x):
        ids = (x[..., 0].abs() * 4).long().clamp(max=8)
        return self.b(F.relu(self.a(self.words(ids))))
