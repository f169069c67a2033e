"""SSD (Liu et al., 2015) on MobileNetV2: heads on six maps, priors, decoded boxes and scores."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .mobilenet_v2 import ConvBNReLU, InvertedResidual, MobileNetV2, make_divisible


def separable(inp: int, out: int) -> nn.Sequential:
    return nn.Sequential(ConvBNReLU(inp, inp, groups=inp), nn.Conv2d(inp, out, 1))


def make_priors(sizes: list[int]) -> torch.Tensor:
    """[boxes, (cx, cy, w, h)] of six boxes at every cell, in units of the image."""
    boxes = []
    for level, size in enumerate(sizes):
        scale, following = 0.2 + 0.15 * level, 0.35 + 0.15 * level
        shapes = [(scale, scale), (math.sqrt(scale * following),) * 2]
        for ratio in (2.0, 3.0):
            root = math.sqrt(ratio)
            shapes += [(scale * root, scale / root), (scale / root, scale * root)]
        for y in range(size):
            for x in range(size):
                centre = ((x + 0.5) / size, (y + 0.5) / size)
                boxes += [(*centre, w, h) for w, h in shapes]
    return torch.tensor(boxes)


class SSD(nn.Module):
    def __init__(self, num_classes: int = 21, width: float = 1.0, image: int = 320) -> None:
        super().__init__()
        self.num_classes = num_classes
        backbone = MobileNetV2(width=width).features
        self.stage1, self.stage2 = backbone[:14], backbone[14:]
        self.extras = nn.ModuleList()
        channels = [make_divisible(96 * width), int(1280 * width)]
        for out in (512, 256, 256, 128):
            out = make_divisible(out * width)
            self.extras.append(InvertedResidual(channels[-1], out, 2, 1))
            channels.append(out)
        self.locations = nn.ModuleList([separable(c, 6 * 4) for c in channels])
        self.confidences = nn.ModuleList([separable(c, 6 * num_classes) for c in channels])
        sizes = [math.ceil(image / 16)]
        while len(sizes) < 6:
            sizes.append(math.ceil(sizes[-1] / 2))
        self.register_buffer("priors", make_priors(sizes))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Boxes [batch, n, (x1, y1, x2, y2)] and class scores [batch, n, classes]."""
        maps = [self.stage1(x)]
        maps.append(self.stage2(maps[0]))
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        locations, confidences = [], []
        for y, location, confidence in zip(maps, self.locations, self.confidences, strict=True):
            locations.append(location(y).permute(0, 2, 3, 1).reshape(y.shape[0], -1, 4))
            scores = confidence(y).permute(0, 2, 3, 1)
            confidences.append(scores.reshape(y.shape[0], -1, self.num_classes))
        offsets, scores = torch.cat(locations, 1), torch.cat(confidences, 1)
        centres = self.priors[:, :2] + offsets[..., :2] * 0.1 * self.priors[:, 2:]
        sizes = self.priors[:, 2:] * torch.exp(offsets[..., 2:] * 0.2)
        boxes = torch.cat((centres - sizes / 2, centres + sizes / 2), -1)
        return boxes.clamp(0, 1), F.softmax(scores, -1)
