"""RepVGG-A0 (Ding et al., 2021): three parallel branches that fuse into one 3x3 convolution."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


def fold(weight: torch.Tensor, bn: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """The convolution weight and bias that equal `weight` followed by `bn`."""
    gain = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    return weight * gain[:, None, None, None], bn.bias - bn.running_mean * gain


class RepVGGBlock(nn.Module):
    def __init__(self, inp: int, out: int, stride: int, deploy: bool) -> None:
        super().__init__()
        self.reparam = nn.Conv2d(inp, out, 3, stride, 1) if deploy else None
        self.nonlinearity = nn.ReLU()
        if deploy:
            return
        self.identity = nn.BatchNorm2d(inp) if inp == out and stride == 1 else None
        self.dense = nn.Sequential(
            nn.Conv2d(inp, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        )
        self.pointwise = nn.Sequential(
            nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.reparam is not None:
            return self.nonlinearity(self.reparam(x))
        identity = 0 if self.identity is None else self.identity(x)
        return self.nonlinearity(self.dense(x) + self.pointwise(x) + identity)

    @torch.no_grad()
    def fuse(self) -> None:
        """Replace the branches by one convolution, in place."""
        conv = self.dense[0]
        weight, bias = fold(conv.weight, self.dense[1])
        small, small_bias = fold(F.pad(self.pointwise[0].weight, [1, 1, 1, 1]), self.pointwise[1])
        weight, bias = weight + small, bias + small_bias
        if self.identity is not None:
            eye = torch.eye(conv.in_channels)[:, :, None, None]
            one, one_bias = fold(F.pad(eye, [1, 1, 1, 1]), self.identity)
            weight, bias = weight + one, bias + one_bias
        self.reparam = nn.Conv2d(conv.in_channels, conv.out_channels, 3, conv.stride, 1)
        self.reparam.weight.copy_(weight)
        self.reparam.bias.copy_(bias)
        del self.dense, self.pointwise, self.identity


class RepVGG(nn.Module):
    def __init__(
        self,
        num_classes: int = 1000,
        width: float = 1.0,
        depths: tuple[int, ...] = (2, 4, 14, 1),
        deploy: bool = False,
    ) -> None:
        super().__init__()
        widths = [int(n * width) for n in (48, 48, 96, 192, 1280)]
        blocks: list[nn.Module] = [RepVGGBlock(3, widths[0], 2, deploy)]
        channels = widths[0]
        for depth, out in zip(depths, widths[1:], strict=True):
            for index in range(depth):
                blocks.append(RepVGGBlock(channels, out, 1 if index else 2, deploy))
                channels = out
        self.stages = nn.Sequential(*blocks)
        self.gap = nn.AdaptiveAvgPool2d(output_size=1)
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.gap(self.stages(x))
        return self.linear(x.view(x.size(0), -1))


def fused(model: RepVGG) -> RepVGG:
    """A copy whose every block is one convolution."""
    model = copy.deepcopy(model)
    for block in model.stages:
        block.fuse()
    return model


def repvgg_fused(**kwargs) -> RepVGG:
    return RepVGG(deploy=True, **kwargs)
