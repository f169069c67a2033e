"""EfficientNetV2-S (Tan and Le, 2021): fused and depthwise inverted residuals with SiLU."""

import torch
from torch import nn

from .mobilenet_v2 import make_divisible

# (fused, expansion, stride, output channels, repeats).
_STAGES = [
    (True, 1, 1, 24, 2),
    (True, 4, 2, 48, 4),
    (True, 4, 2, 64, 4),
    (False, 4, 2, 128, 6),
    (False, 6, 1, 160, 9),
    (False, 6, 2, 256, 15),
]


def conv_norm(inp: int, out: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True):
    layers: list[nn.Module] = [
        nn.Conv2d(inp, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out, eps=1e-3),
    ]
    return nn.Sequential(*layers, nn.SiLU(inplace=True)) if act else nn.Sequential(*layers)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.activation = nn.SiLU(inplace=True)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return torch.sigmoid(scale) * x


class Block(nn.Module):
    def __init__(self, fused: bool, inp: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inp * expansion
        if fused and expansion == 1:
            layers = [conv_norm(inp, out, 3, stride)]
        elif fused:
            layers = [conv_norm(inp, hidden, 3, stride), conv_norm(hidden, out, 1, act=False)]
        else:
            layers = [
                conv_norm(inp, hidden, 1),
                conv_norm(hidden, hidden, 3, stride, groups=hidden),
                SqueezeExcitation(hidden, max(1, inp // 4)),
                conv_norm(hidden, out, 1, act=False),
            ]
        self.block = nn.Sequential(*layers)
        self.use_res_connect = stride == 1 and inp == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x) if self.use_res_connect else self.block(x)


class EfficientNetV2(nn.Module):
    def __init__(self, num_classes: int = 1000, width: float = 1.0, depth: float = 1.0) -> None:
        super().__init__()
        channels = make_divisible(24 * width)
        features: list[nn.Module] = [conv_norm(3, channels, 3, 2)]
        for fused, expansion, stride, stage_channels, repeats in _STAGES:
            out = make_divisible(stage_channels * width)
            stage = []
            for index in range(max(1, round(repeats * depth))):
                step = 1 if index else stride
                stage.append(Block(fused, channels, out, step, expansion))
                channels = out
            features.append(nn.Sequential(*stage))
        last = make_divisible(1280 * width)
        features.append(conv_norm(channels, last, 1))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2, inplace=True), nn.Linear(last, num_classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))
