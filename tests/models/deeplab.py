"""DeepLabV3 (Chen et al., 2017) on MobileNetV2: atrous spatial pyramid pooling, resized scores."""

import torch
import torch.nn.functional as F
from torch import nn

from .mobilenet_v2 import MobileNetV2


def conv_norm_relu(inp: int, out: int, kernel: int, dilation: int = 1) -> list[nn.Module]:
    padding = dilation if kernel == 3 else 0
    return [
        nn.Conv2d(inp, out, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    ]


class ASPPPooling(nn.Sequential):
    def __init__(self, inp: int, out: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *conv_norm_relu(inp, out, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = x.shape[-2:]
        for module in self:
            x = module(x)
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    def __init__(self, inp: int, out: int, rates: tuple[int, ...] = (12, 24, 36)) -> None:
        super().__init__()
        modules: list[nn.Module] = [nn.Sequential(*conv_norm_relu(inp, out, 1))]
        modules += [nn.Sequential(*conv_norm_relu(inp, out, 3, rate)) for rate in rates]
        modules.append(ASPPPooling(inp, out))
        self.convs = nn.ModuleList(modules)
        self.project = nn.Sequential(*conv_norm_relu(len(modules) * out, out, 1), nn.Dropout(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.project(torch.cat([conv(x) for conv in self.convs], dim=1))


class DeepLabV3(nn.Module):
    def __init__(
        self, num_classes: int = 21, width: float = 1.0, rates: tuple[int, ...] = (12, 24, 36)
    ) -> None:
        super().__init__()
        self.backbone = MobileNetV2(width=width).features
        out = int(256 * width)
        self.classifier = nn.Sequential(
            ASPP(int(1280 * width), out, rates),
            *conv_norm_relu(out, out, 3),
            nn.Conv2d(out, num_classes, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.classifier(self.backbone(x))
        return F.interpolate(scores, size=x.shape[-2:], mode="bilinear", align_corners=False)
