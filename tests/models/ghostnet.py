"""GhostNet (Han et al., 2019): half of the features by cheap depthwise operations."""

import torch
import torch.nn.functional as F
from torch import nn

from .mobilenet_v2 import make_divisible

# (kernel, hidden channels, output channels, squeeze-excite, stride).
_CONFIGURATION = [
    (3, 16, 16, False, 1),
    (3, 48, 24, False, 2),
    (3, 72, 24, False, 1),
    (5, 72, 40, True, 2),
    (5, 120, 40, True, 1),
    (3, 240, 80, False, 2),
    (3, 200, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 480, 112, True, 1),
    (3, 672, 112, True, 1),
    (5, 672, 160, True, 2),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
]


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = make_divisible(channels * 0.25, 4)
        self.conv_reduce = nn.Conv2d(channels, reduced, 1)
        self.act1 = nn.ReLU(inplace=True)
        self.conv_expand = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = F.adaptive_avg_pool2d(x, 1)
        s = self.conv_expand(self.act1(self.conv_reduce(s)))
        return x * (F.relu6(s + 3.0) / 6.0)


class GhostModule(nn.Module):
    def __init__(self, inp: int, out: int, relu: bool = True) -> None:
        super().__init__()
        self.out = out
        primary = (out + 1) // 2
        self.primary_conv = nn.Sequential(
            nn.Conv2d(inp, primary, 1, bias=False),
            nn.BatchNorm2d(primary),
            nn.ReLU(inplace=True) if relu else nn.Identity(),
        )
        self.cheap_operation = nn.Sequential(
            nn.Conv2d(primary, primary, 3, 1, 1, groups=primary, bias=False),
            nn.BatchNorm2d(primary),
            nn.ReLU(inplace=True) if relu else nn.Identity(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x1 = self.primary_conv(x)
        x2 = self.cheap_operation(x1)
        return torch.cat([x1, x2], dim=1)[:, : self.out, :, :]


class GhostBottleneck(nn.Module):
    def __init__(self, inp: int, hidden: int, out: int, kernel: int, stride: int, se: bool) -> None:
        super().__init__()
        self.ghost1 = GhostModule(inp, hidden)
        self.conv_dw = nn.Sequential()
        if stride > 1:
            self.conv_dw = nn.Sequential(
                nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False),
                nn.BatchNorm2d(hidden),
            )
        self.se = SqueezeExcite(hidden) if se else None
        self.ghost2 = GhostModule(hidden, out, relu=False)
        self.shortcut = nn.Sequential()
        if inp != out or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inp, inp, kernel, stride, kernel // 2, groups=inp, bias=False),
                nn.BatchNorm2d(inp),
                nn.Conv2d(inp, out, 1, bias=False),
                nn.BatchNorm2d(out),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        residual = x
        x = self.conv_dw(self.ghost1(x))
        if self.se is not None:
            x = self.se(x)
        x = self.ghost2(x)
        x += self.shortcut(residual)
        return x


class GhostNet(nn.Module):
    def __init__(self, num_classes: int = 1000, width: float = 1.0) -> None:
        super().__init__()
        channels = make_divisible(16 * width, 4)
        self.conv_stem = nn.Conv2d(3, channels, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = nn.ReLU(inplace=True)
        blocks = []
        hidden = channels
        for kernel, hidden_channels, out_channels, se, stride in _CONFIGURATION:
            hidden = make_divisible(hidden_channels * width, 4)
            out = make_divisible(out_channels * width, 4)
            blocks.append(GhostBottleneck(channels, hidden, out, kernel, stride, se))
            channels = out
        self.blocks = nn.Sequential(*blocks)
        last = int(1280 * min(1.0, width))
        self.conv_bn_act = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
        )
        self.conv_head = nn.Conv2d(hidden, last, 1)
        self.act2 = nn.ReLU(inplace=True)
        self.classifier = nn.Linear(last, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv_bn_act(self.blocks(self.act1(self.bn1(self.conv_stem(x)))))
        x = self.act2(self.conv_head(F.adaptive_avg_pool2d(x, 1)))
        return self.classifier(x.view(x.size(0), -1))
