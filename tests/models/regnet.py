"""RegNetY-400MF (Radosavovic et al., 2020): grouped bottlenecks with squeeze-excite."""

import torch
from torch import nn

_DEPTHS, _WIDTHS = (1, 3, 6, 6), (48, 104, 208, 440)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = nn.ReLU()
        self.scale_activation = nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return self.scale_activation(scale) * x


def conv_norm(inp: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inp, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out),
    ]


class Bottleneck(nn.Module):
    def __init__(self, inp: int, out: int, stride: int, group_width: int) -> None:
        super().__init__()
        self.proj = None
        if inp != out or stride != 1:
            self.proj = nn.Sequential(*conv_norm(inp, out, 1, stride))
        self.f = nn.Sequential(
            *conv_norm(inp, out, 1),
            nn.ReLU(inplace=True),
            *conv_norm(out, out, 3, stride, groups=out // group_width),
            nn.ReLU(inplace=True),
            SqueezeExcitation(out, round(0.25 * inp)),
            *conv_norm(out, out, 1),
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.proj is None else self.proj(x)
        return self.activation(shortcut + self.f(x))


class RegNetY(nn.Module):
    def __init__(
        self,
        num_classes: int = 1000,
        width: float = 1.0,
        depths: tuple[int, ...] = _DEPTHS,
        group_width: int = 8,
    ) -> None:
        super().__init__()
        channels = int(32 * width)
        self.stem = nn.Sequential(*conv_norm(3, channels, 3, 2), nn.ReLU(inplace=True))
        stages: list[nn.Module] = []
        for depth, stage_width in zip(depths, _WIDTHS, strict=True):
            out = int(stage_width * width) // group_width * group_width
            blocks = []
            for index in range(depth):
                blocks.append(Bottleneck(channels, out, 1 if index else 2, group_width))
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.trunk_output = nn.Sequential(*stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.avgpool(self.trunk_output(self.stem(x)))
        return self.fc(x.flatten(start_dim=1))
