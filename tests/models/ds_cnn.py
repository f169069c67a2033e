"""DS-CNN (Zhang et al., 2017): keyword spotting on a 49x10 MFCC map."""

import torch
import torch.nn.functional as F
from torch import nn


class DepthwiseSeparable(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.depthwise(x)))
        return F.relu(self.bn2(self.pointwise(x)))


class DSCNN(nn.Module):
    def __init__(self, num_classes: int = 12, width: float = 1.0, blocks: int = 4) -> None:
        super().__init__()
        channels = int(64 * width)
        self.conv = nn.Conv2d(1, channels, (10, 4), stride=(2, 2), padding=(4, 1))
        self.bn = nn.BatchNorm2d(channels)
        self.dropout1 = nn.Dropout(0.2)
        self.blocks = nn.ModuleList([DepthwiseSeparable(channels) for _ in range(blocks)])
        self.dropout2 = nn.Dropout(0.4)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dropout1(F.relu(self.bn(self.conv(x))))
        for block in self.blocks:
            x = block(x)
        x = self.dropout2(x)
        x = F.avg_pool2d(x, kernel_size=x.shape[2:])
        return self.fc(x.flatten(1))
