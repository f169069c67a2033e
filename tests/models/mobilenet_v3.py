"""MobileNetV3 small and large (Howard et al., 2019): squeeze-excite and hard-swish."""

import torch
from torch import nn

from .mobilenet_v2 import make_divisible

# (kernel, expanded channels, output channels, squeeze-excite, hard-swish, stride).
_SMALL = [
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
]
_LARGE = [
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
]


class ConvBNAct(nn.Sequential):
    def __init__(
        self,
        inp: int,
        out: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.Module] | None = None,
    ) -> None:
        layers = [
            nn.Conv2d(inp, out, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out, eps=0.001, momentum=0.01),
        ]
        if activation is not None:
            layers.append(activation(inplace=True))
        super().__init__(*layers)


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.gate = nn.Hardsigmoid(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = self.gate(self.fc2(self.relu(self.fc1(self.pool(x)))))
        return x * scale


class Bottleneck(nn.Module):
    def __init__(
        self,
        inp: int,
        kernel: int,
        expanded: int,
        out: int,
        squeeze_excite: bool,
        hard_swish: bool,
        stride: int,
    ) -> None:
        super().__init__()
        act = nn.Hardswish if hard_swish else nn.ReLU
        layers: list[nn.Module] = []
        if expanded != inp:
            layers.append(ConvBNAct(inp, expanded, 1, activation=act))
        layers.append(ConvBNAct(expanded, expanded, kernel, stride, expanded, act))
        if squeeze_excite:
            layers.append(SqueezeExcite(expanded, make_divisible(expanded // 4)))
        layers.append(ConvBNAct(expanded, out, 1))
        self.block = nn.Sequential(*layers)
        self.identity = stride == 1 and inp == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result = self.block(x)
        if self.identity:
            result += x
        return result


class MobileNetV3(nn.Module):
    def __init__(
        self,
        blocks: list[tuple[int, int, int, bool, bool, int]],
        last: int,
        num_classes: int = 1000,
        width: float = 1.0,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        inp = make_divisible(16 * width)
        features: list[nn.Module] = [ConvBNAct(3, inp, 3, 2, activation=nn.Hardswish)]
        for kernel, expanded, out, se, hs, stride in blocks:
            hidden, out_channels = make_divisible(expanded * width), make_divisible(out * width)
            features.append(Bottleneck(inp, kernel, hidden, out_channels, se, hs, stride))
            inp = out_channels
        features.append(ConvBNAct(inp, 6 * inp, 1, activation=nn.Hardswish))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * inp, make_divisible(last * width)),
            nn.Hardswish(inplace=True),
            nn.Dropout(dropout, inplace=True),
            nn.Linear(make_divisible(last * width), num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))


def mobilenet_v3_small(num_classes: int = 1000, width: float = 1.0, dropout: float = 0.2):
    return MobileNetV3(_SMALL, 1024, num_classes, width, dropout)


def mobilenet_v3_large(num_classes: int = 1000, width: float = 1.0, dropout: float = 0.2):
    return MobileNetV3(_LARGE, 1280, num_classes, width, dropout)
