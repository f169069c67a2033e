"""MobileViT (Mehta and Rastegari, 2021): transformers over unfolded patches."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .mobilenet_v2 import make_divisible


class ConvNormAct(nn.Sequential):
    def __init__(
        self, inp: int, out: int, kernel: int = 3, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(inp, out, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out),
            nn.SiLU(),
        )


class InvertedResidual(nn.Module):
    def __init__(self, inp: int, out: int, stride: int, expansion: int = 2) -> None:
        super().__init__()
        hidden = make_divisible(inp * expansion)
        self.expand = ConvNormAct(inp, hidden, 1)
        self.depthwise = ConvNormAct(hidden, hidden, 3, stride, groups=hidden)
        self.project = nn.Sequential(nn.Conv2d(hidden, out, 1, bias=False), nn.BatchNorm2d(out))
        self.residual = stride == 1 and inp == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Encoder(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).reshape(batch, tokens, dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attend(self.norm1(x))
        return x + self.fc2(F.silu(self.fc1(self.norm2(x))))


class MobileViTBlock(nn.Module):
    def __init__(self, channels: int, dim: int, depth: int, heads: int = 4, patch: int = 2) -> None:
        super().__init__()
        self.patch = patch
        self.conv_kxk = ConvNormAct(channels, channels)
        self.conv_1x1 = nn.Conv2d(channels, dim, 1, bias=False)
        self.transformer = nn.Sequential(*[Encoder(dim, heads, 2 * dim) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.conv_proj = ConvNormAct(dim, channels, 1)
        self.conv_fusion = ConvNormAct(2 * channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x
        x = self.conv_1x1(self.conv_kxk(x))
        patch = self.patch
        batch, dim, height, width = x.shape
        new_height = math.ceil(height / patch) * patch
        new_width = math.ceil(width / patch) * patch
        if (new_height, new_width) != (height, width):
            x = F.interpolate(x, (new_height, new_width), mode="bilinear", align_corners=False)
        rows, columns = new_height // patch, new_width // patch
        # [B, D, H, W] -> [B * P, N, D]: pixels at the same place of their patches attend.
        x = x.reshape(batch * dim * rows, patch, columns, patch).transpose(1, 2)
        x = x.reshape(batch, dim, rows * columns, patch * patch).transpose(1, 3)
        x = x.reshape(batch * patch * patch, rows * columns, dim)
        x = self.norm(self.transformer(x))
        x = x.contiguous().view(batch, patch * patch, rows * columns, dim).transpose(1, 3)
        x = x.reshape(batch * dim * rows, columns, patch, patch).transpose(1, 2)
        x = x.reshape(batch, dim, new_height, new_width)
        if (new_height, new_width) != (height, width):
            x = F.interpolate(x, (height, width), mode="bilinear", align_corners=False)
        return self.conv_fusion(torch.cat((shortcut, self.conv_proj(x)), dim=1))


class MobileViT(nn.Module):
    """MobileViT-XXS at width 1."""

    def __init__(
        self, num_classes: int = 1000, width: float = 1.0, depths: tuple[int, int, int] = (2, 4, 3)
    ) -> None:
        super().__init__()
        c = [make_divisible(n * width) for n in (16, 16, 24, 48, 64, 80, 320)]
        d = [make_divisible(n * width) for n in (64, 80, 96)]
        self.stem = ConvNormAct(3, c[0], 3, 2)
        self.stages = nn.Sequential(
            InvertedResidual(c[0], c[1], 1),
            InvertedResidual(c[1], c[2], 2),
            InvertedResidual(c[2], c[2], 1),
            InvertedResidual(c[2], c[2], 1),
            InvertedResidual(c[2], c[3], 2),
            MobileViTBlock(c[3], d[0], depths[0]),
            InvertedResidual(c[3], c[4], 2),
            MobileViTBlock(c[4], d[1], depths[1]),
            InvertedResidual(c[4], c[5], 2),
            MobileViTBlock(c[5], d[2], depths[2]),
        )
        self.final_conv = ConvNormAct(c[5], c[6], 1)
        self.head = nn.Linear(c[6], num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.final_conv(self.stages(self.stem(x)))
        return self.head(x.mean(dim=(2, 3)))
