"""A generator of the StyleGAN2 kind (Karras et al., 2019): modulated convolutions."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class PixelNorm(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(torch.mean(x**2, dim=1, keepdim=True) + 1e-8)


class EqualLinear(nn.Module):
    def __init__(self, inp: int, out: int, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, inp))
        self.bias = nn.Parameter(torch.full((out,), bias))
        self.scale = 1 / math.sqrt(inp)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight * self.scale, self.bias)


class ModulatedConv2d(nn.Module):
    """The style scales the weights (`fused`) or, equally, the convolution's input and output."""

    def __init__(
        self,
        inp: int,
        out: int,
        kernel: int,
        style: int,
        demodulate: bool = True,
        fused: bool = True,
    ) -> None:
        super().__init__()
        self.scale = 1 / math.sqrt(inp * kernel**2)
        self.padding, self.demodulate, self.fused = kernel // 2, demodulate, fused
        self.weight = nn.Parameter(torch.randn(1, out, inp, kernel, kernel))
        self.modulation = EqualLinear(style, inp, bias=1.0)

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        batch, inp, height, width = x.shape
        style = self.modulation(style).view(batch, 1, inp, 1, 1)
        weight = self.scale * self.weight * style
        gain = torch.rsqrt(weight.pow(2).sum([2, 3, 4]) + 1e-8)
        if not self.fused:
            y = F.conv2d(
                x * style.view(batch, inp, 1, 1), self.scale * self.weight[0], padding=self.padding
            )
            return y * gain[:, :, None, None] if self.demodulate else y
        if self.demodulate:
            weight = weight * gain.view(batch, -1, 1, 1, 1)
        weight = weight.view(-1, *weight.shape[2:])
        x = x.view(1, batch * inp, height, width)
        y = F.conv2d(x, weight, padding=self.padding, groups=batch)
        return y.view(batch, -1, height, width)


class StyledConv(nn.Module):
    def __init__(
        self, inp: int, out: int, style: int, size: int, upsample: bool, fused: bool
    ) -> None:
        super().__init__()
        self.upsample = upsample
        self.conv = ModulatedConv2d(inp, out, 3, style, fused=fused)
        self.noise_weight = nn.Parameter(torch.full((1,), 0.1))
        self.bias = nn.Parameter(torch.zeros(1, out, 1, 1))
        self.register_buffer("noise", torch.randn(1, 1, size, size))

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        if self.upsample:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = self.conv(x, style) + self.noise_weight * self.noise + self.bias
        return F.leaky_relu(x, 0.2) * math.sqrt(2)


class StyleGenerator(nn.Module):
    def __init__(
        self,
        style: int = 512,
        channels: int = 512,
        size: int = 64,
        layers: int = 8,
        fused: bool = True,
    ) -> None:
        super().__init__()
        mapping: list[nn.Module] = [PixelNorm()]
        for _ in range(layers):
            mapping += [EqualLinear(style, style), nn.LeakyReLU(0.2)]
        self.mapping = nn.Sequential(*mapping)
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))
        self.convs = nn.ModuleList([StyledConv(channels, channels, style, 4, False, fused)])
        self.to_rgbs = nn.ModuleList(
            [ModulatedConv2d(channels, 3, 1, style, demodulate=False, fused=fused)]
        )
        resolution = 8
        while resolution <= size:
            self.convs.append(StyledConv(channels, channels, style, resolution, True, fused))
            self.to_rgbs.append(
                ModulatedConv2d(channels, 3, 1, style, demodulate=False, fused=fused)
            )
            resolution *= 2

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """z: [batch, style]; an image [batch, 3, size, size]."""
        style = self.mapping(z)
        x = self.input.repeat(z.shape[0], 1, 1, 1)
        image = None
        for conv, to_rgb in zip(self.convs, self.to_rgbs, strict=True):
            x = conv(x, style)
            rgb = to_rgb(x, style)
            if image is not None:
                rgb = rgb + F.interpolate(
                    image, scale_factor=2, mode="bilinear", align_corners=False
                )
            image = rgb
        return image


def style_generator_unfused(**kwargs) -> StyleGenerator:
    return StyleGenerator(fused=False, **kwargs)
