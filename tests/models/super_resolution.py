"""ESPCN (Shi et al., 2016): super-resolution with a pixel shuffle."""

import torch
from torch import nn


class SuperResolution(nn.Module):
    def __init__(self, upscale: int = 3, width: float = 1.0) -> None:
        super().__init__()
        c1, c2 = int(64 * width), int(32 * width)
        self.conv1 = nn.Conv2d(1, c1, 5, padding=2)
        self.conv2 = nn.Conv2d(c1, c1, 3, padding=1)
        self.conv3 = nn.Conv2d(c1, c2, 3, padding=1)
        self.conv4 = nn.Conv2d(c2, upscale**2, 3, padding=1)
        self.pixel_shuffle = nn.PixelShuffle(upscale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(x))
        x = torch.relu(self.conv3(x))
        return self.pixel_shuffle(self.conv4(x))
