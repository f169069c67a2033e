"""What the small networks of the pruning tests have in common."""

from __future__ import annotations

import torch
from torch import nn

IMAGE = (2, 3, 8, 8)
TOKENS = (2, 8, 8)


def conv(inp: int, out: int, kernel: int = 3, **kwargs) -> nn.Conv2d:
    return nn.Conv2d(inp, out, kernel, padding=kernel // 2, **kwargs)


class Body(nn.Module):
    """A stem, what the subclass does with it, and a head: subclasses set `width` and `out`."""

    def __init__(self, width: int = 12, out: int = 12) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, width), nn.BatchNorm2d(width), nn.ReLU())
        self.head = conv(out, 5)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.stem(x)))
