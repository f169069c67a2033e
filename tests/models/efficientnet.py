"""EfficientNet-B0 (Tan and Le, 2019): MBConv with squeeze-excite, SiLU, stochastic depth."""

import torch
from torch import nn

from .mobilenet_v2 import make_divisible

# (expansion, output channels, repeats, stride of the first, kernel).
_STAGES = [
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
]


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.act = nn.SiLU()
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = x.mean((2, 3), keepdim=True)
        scale = self.expand(self.act(self.reduce(scale)))
        return torch.sigmoid(scale) * x


class StochasticDepth(nn.Module):
    """Drops whole samples of a residual branch while training."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0.0:
            return x
        keep = 1.0 - self.p
        mask = x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(keep)
        return x * mask.div_(keep)


class MBConv(nn.Module):
    def __init__(
        self, inp: int, out: int, expansion: int, stride: int, kernel: int, drop: float
    ) -> None:
        super().__init__()
        hidden = inp * expansion
        if expansion != 1:
            self.expand = nn.Sequential(
                nn.Conv2d(inp, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.SiLU(inplace=True)
            )
        else:
            self.expand = nn.Identity()
        self.depthwise = nn.Sequential(
            nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.SiLU(inplace=True),
        )
        self.se = SqueezeExcitation(hidden, max(1, inp // 4))
        self.project = nn.Sequential(nn.Conv2d(hidden, out, 1, bias=False), nn.BatchNorm2d(out))
        self.use_residual = stride == 1 and inp == out
        self.drop = StochasticDepth(drop)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.project(self.se(self.depthwise(self.expand(x))))
        if self.use_residual:
            out = self.drop(out) + x
        return out


class EfficientNet(nn.Module):
    def __init__(
        self,
        num_classes: int = 1000,
        width: float = 1.0,
        dropout: float = 0.2,
        stochastic_depth: float = 0.2,
    ) -> None:
        super().__init__()
        inp = make_divisible(32 * width)
        self.stem = nn.Sequential(
            nn.Conv2d(3, inp, 3, 2, 1, bias=False), nn.BatchNorm2d(inp), nn.SiLU(inplace=True)
        )
        total = sum(stage[2] for stage in _STAGES)
        blocks: list[nn.Module] = []
        for expansion, channels, repeats, first_stride, kernel in _STAGES:
            out = make_divisible(channels * width)
            for index in range(repeats):
                stride = first_stride if index == 0 else 1
                drop = stochastic_depth * len(blocks) / total
                blocks.append(MBConv(inp, out, expansion, stride, kernel, drop))
                inp = out
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.Conv2d(inp, inp * 4, 1, bias=False), nn.BatchNorm2d(inp * 4), nn.SiLU(inplace=True)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(inp * 4, num_classes)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.head(self.blocks(self.stem(x)))
        x = self.avgpool(x).flatten(1)
        return self.classifier(x)
