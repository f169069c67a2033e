"""Small networks that split, join, repeat and reorder channels, as people write them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from prune_body import Body, conv


class DenseConcat(Body):
    def __init__(self):
        super().__init__(12, 28)
        self.a, self.b = conv(12, 8), conv(20, 8)
        self.norm = nn.BatchNorm2d(28)

    def body(self, x):
        x = torch.cat([x, self.a(x)], 1)
        x = torch.cat([x, self.b(x)], 1)
        return F.relu(self.norm(x))


class Shuffle(Body):
    def __init__(self):
        super().__init__()
        self.a = conv(12, 12, groups=3)

    def body(self, x):
        x = self.a(x)
        n, c, h, w = x.shape
        return x.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)


class ShuffleModule(Body):
    def __init__(self):
        super().__init__()
        self.shuffle = nn.ChannelShuffle(4)

    def body(self, x):
        return self.shuffle(x)


class ChunkHalves(Body):
    def __init__(self):
        super().__init__()
        self.a = conv(6, 6)

    def body(self, x):
        left, right = x.chunk(2, dim=1)
        return torch.cat([right, self.a(left)], dim=1)


class GatedChunk(Body):
    def __init__(self):
        super().__init__(12, 6)

    def body(self, x):
        value, gate = x.chunk(2, dim=1)
        return value * torch.sigmoid(gate)


class UnevenSplit(Body):
    """The sizes are in the code: the live module cannot follow."""

    def body(self, x):
        a, b, c = torch.split(x, [2, 7, 3], dim=1)
        return torch.cat([c, a, b], dim=1)


class SplitBySize(Body):
    def body(self, x):
        parts = torch.split(x, x.shape[1] // 3, dim=1)
        return torch.cat([parts[2], parts[0] + parts[1], parts[1]], dim=1)


class Slices(Body):
    def __init__(self):
        super().__init__(12, 6)

    def body(self, x):
        half = x.shape[1] // 2
        return x[:, :half] - x[:, half:]


class SameTensorTwice(Body):
    def __init__(self):
        super().__init__(12, 36)
        self.a = conv(12, 12)

    def body(self, x):
        return torch.cat([x, self.a(x), x], dim=1)


class CrossingCats(Body):
    def __init__(self):
        super().__init__(12, 24)
        self.a, self.b, self.c = conv(12, 6), conv(12, 18), conv(12, 12)

    def body(self, x):
        return torch.cat([self.a(x), self.b(x)], 1) + torch.cat([x, self.c(x)], 1)


class PixelShuffle(Body):
    def __init__(self):
        super().__init__(16, 4)
        self.a = nn.PixelShuffle(2)

    def body(self, x):
        return self.a(x)


class PixelUnshuffle(Body):
    def __init__(self):
        super().__init__(6, 24)
        self.a = nn.PixelUnshuffle(2)

    def body(self, x):
        return self.a(x)


class MergeBatch(Body):
    def __init__(self):
        super().__init__()
        self.blur = nn.Conv2d(1, 1, 3, padding=1)

    def body(self, x):
        n, c, h, w = x.shape
        return torch.tanh(x.view(n * c, 1, h, w)).view(n, c, h, w)


class PadShortcut(Body):
    def __init__(self):
        super().__init__(8, 12)
        self.a = conv(8, 12)

    def body(self, x):
        y = self.a(x)
        extra = y.shape[1] - x.shape[1]
        return y + F.pad(x, (0, 0, 0, 0, extra // 2, extra - extra // 2))


class StackedMean(Body):
    def __init__(self):
        super().__init__()
        self.a, self.b = conv(12, 12), conv(12, 12)

    def body(self, x):
        return torch.stack([self.a(x), self.b(x), x]).sum(0)


class StridedSlices(Body):
    """Even and odd channels, of which there are not equally many."""

    def __init__(self):
        super().__init__(13, 12)
        self.a = conv(7, 6)

    def body(self, x):
        return torch.cat([self.a(x[:, ::2]), x[:, 1::2]], dim=1)


class LateStride(Body):
    """A slice with a step that begins behind its first run."""

    def __init__(self):
        super().__init__(14, 3)

    def body(self, x):
        return F.relu(x[:, 4:12:3])


class HeldIndices(Body):
    """Channels looked up by a buffer: in another order, and some twice."""

    def __init__(self):
        super().__init__(12, 18)
        order = torch.tensor([5, 3, 11, 0, 7, 9, 1, 10, 2, 4, -4, 6, 3, 3, 9, 0, -1, 2])
        self.register_buffer("order", order)
        self.a = conv(18, 18)

    def body(self, x):
        return self.a(F.relu(x[:, self.order]))


class ListedIndices(Body):
    """Channels looked up by a list in the code: the live module cannot follow."""

    def __init__(self):
        super().__init__(12, 5)

    def body(self, x):
        return x[:, [7, 2, 3, 11, 0]]
