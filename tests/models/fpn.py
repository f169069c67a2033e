"""A feature pyramid (Lin et al., 2016) on ResNet18; gives its maps by name."""

import torch
import torch.nn.functional as F
from torch import nn

from .resnet import resnet18


class FPN(nn.Module):
    def __init__(self, width: float = 1.0, out: int = 256) -> None:
        super().__init__()
        self.body = resnet18(width=width)
        del self.body.fc
        channels = [int(64 * width) << level for level in range(4)]
        self.inner_blocks = nn.ModuleList([nn.Conv2d(c, out, 1) for c in channels])
        self.layer_blocks = nn.ModuleList([nn.Conv2d(out, out, 3, padding=1) for _ in channels])

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        body = self.body
        x = body.maxpool(body.relu(body.bn1(body.conv1(x))))
        features = []
        for layer in (body.layer1, body.layer2, body.layer3, body.layer4):
            x = layer(x)
            features.append(x)
        inner = self.inner_blocks[-1](features[-1])
        results = [self.layer_blocks[-1](inner)]
        for index in range(len(features) - 2, -1, -1):
            lateral = self.inner_blocks[index](features[index])
            top = F.interpolate(inner, size=lateral.shape[-2:], mode="nearest")
            inner = lateral + top
            results.insert(0, self.layer_blocks[index](inner))
        maps = {f"p{index + 2}": value for index, value in enumerate(results)}
        maps["pool"] = F.max_pool2d(results[-1], kernel_size=1, stride=2, padding=0)
        return maps
