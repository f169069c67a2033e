"""SqueezeNet 1.1 (Iandola et al., 2016): fire modules, ceil-mode pooling, no batch norm."""

import torch
from torch import nn


class Fire(nn.Module):
    def __init__(self, inp: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inp, squeeze, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze, expand, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze, expand, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        return torch.cat(
            [
                self.expand1x1_activation(self.expand1x1(x)),
                self.expand3x3_activation(self.expand3x3(x)),
            ],
            1,
        )


class SqueezeNet(nn.Module):
    def __init__(self, num_classes: int = 1000, width: float = 1.0) -> None:
        super().__init__()
        stem, s1, s2, s3, s4 = (int(c * width) for c in (64, 16, 32, 48, 64))

        def fire(inp: int, squeeze: int) -> Fire:
            return Fire(inp, squeeze, squeeze * 4)

        self.features = nn.Sequential(
            nn.Conv2d(3, stem, kernel_size=3, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
            fire(stem, s1),
            fire(s1 * 8, s1),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
            fire(s1 * 8, s2),
            fire(s2 * 8, s2),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
            fire(s2 * 8, s3),
            fire(s3 * 8, s3),
            fire(s3 * 8, s4),
            fire(s4 * 8, s4),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(p=0.5),
            nn.Conv2d(s4 * 8, num_classes, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d((1, 1)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        x = self.classifier(x)
        return torch.flatten(x, 1)
