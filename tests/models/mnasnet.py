"""MNASNet-B1 (Tan et al., 2018): inverted residuals with kernels of 3 and 5."""

import torch
from torch import nn

from .mobilenet_v2 import make_divisible

# (kernel, stride, expansion, output channels, repeats).
_STACKS = [
    (3, 2, 3, 24, 3),
    (5, 2, 3, 40, 3),
    (5, 2, 6, 80, 3),
    (3, 1, 6, 96, 2),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
]
_MOMENTUM = 1 - 0.9997


class InvertedResidual(nn.Module):
    def __init__(self, inp: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = inp * expansion
        self.apply_residual = inp == out and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(inp, middle, 1, bias=False),
            nn.BatchNorm2d(middle, momentum=_MOMENTUM),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, middle, kernel, stride, kernel // 2, groups=middle, bias=False),
            nn.BatchNorm2d(middle, momentum=_MOMENTUM),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, out, 1, bias=False),
            nn.BatchNorm2d(out, momentum=_MOMENTUM),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) + x if self.apply_residual else self.layers(x)


class MNASNet(nn.Module):
    def __init__(self, num_classes: int = 1000, width: float = 1.0) -> None:
        super().__init__()
        stem, first = make_divisible(32 * width), make_divisible(16 * width)
        layers: list[nn.Module] = [
            nn.Conv2d(3, stem, 3, padding=1, stride=2, bias=False),
            nn.BatchNorm2d(stem, momentum=_MOMENTUM),
            nn.ReLU(inplace=True),
            nn.Conv2d(stem, stem, 3, padding=1, groups=stem, bias=False),
            nn.BatchNorm2d(stem, momentum=_MOMENTUM),
            nn.ReLU(inplace=True),
            nn.Conv2d(stem, first, 1, bias=False),
            nn.BatchNorm2d(first, momentum=_MOMENTUM),
        ]
        channels = first
        for kernel, stride, expansion, out_channels, repeats in _STACKS:
            out = make_divisible(out_channels * width)
            stack = []
            for index in range(repeats):
                step = 1 if index else stride
                stack.append(InvertedResidual(channels, out, kernel, step, expansion))
                channels = out
            layers.append(nn.Sequential(*stack))
        last = int(1280 * width)
        layers += [
            nn.Conv2d(channels, last, 1, bias=False),
            nn.BatchNorm2d(last, momentum=_MOMENTUM),
            nn.ReLU(inplace=True),
        ]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2, inplace=True), nn.Linear(last, num_classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.layers(x).mean([2, 3]))
