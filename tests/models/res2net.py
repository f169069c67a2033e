"""Res2Net-50 26w x 4s (Gao et al., 2019): hierarchical residuals inside a bottleneck."""

import torch
from torch import nn


class Bottle2neck(nn.Module):
    expansion = 4

    def __init__(self, inp: int, planes: int, stride: int, base_width: int, scale: int = 4) -> None:
        super().__init__()
        width = max(1, planes * base_width // 64)
        self.width, self.scale = width, scale
        self.is_first = stride > 1 or inp != planes * self.expansion
        self.conv1 = nn.Conv2d(inp, width * scale, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width * scale)
        self.convs = nn.ModuleList(
            [nn.Conv2d(width, width, 3, stride, 1, bias=False) for _ in range(scale - 1)]
        )
        self.bns = nn.ModuleList([nn.BatchNorm2d(width) for _ in range(scale - 1)])
        self.pool = nn.AvgPool2d(kernel_size=3, stride=stride, padding=1)
        self.conv3 = nn.Conv2d(width * scale, planes * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if self.is_first:
            self.downsample = nn.Sequential(
                nn.Conv2d(inp, planes * self.expansion, 1, stride, bias=False),
                nn.BatchNorm2d(planes * self.expansion),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        parts = torch.split(out, self.width, 1)
        collected: list[torch.Tensor] = []
        part = parts[0]
        for index, (conv, bn) in enumerate(zip(self.convs, self.bns, strict=True)):
            first = index == 0 or self.is_first
            part = parts[index] if first else part + parts[index]
            part = self.relu(bn(conv(part)))
            collected.append(part)
        collected.append(self.pool(parts[-1]) if self.is_first else parts[-1])
        out = self.bn3(self.conv3(torch.cat(collected, 1)))
        out += shortcut
        return self.relu(out)


class Res2Net(nn.Module):
    def __init__(
        self,
        num_classes: int = 1000,
        width: float = 1.0,
        layers: tuple[int, ...] = (3, 4, 6, 3),
        base_width: int = 26,
    ) -> None:
        super().__init__()
        inp = int(64 * width)
        self.conv1 = nn.Conv2d(3, inp, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(inp)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        stages = []
        for stage, repeats in enumerate(layers):
            planes = int(64 * width) << stage
            blocks = []
            for index in range(repeats):
                stride = 2 if stage and not index else 1
                blocks.append(Bottle2neck(inp, planes, stride, base_width))
                inp = planes * Bottle2neck.expansion
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(inp, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(self.stages(x)), 1))
