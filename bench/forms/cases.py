"""One representative operation for each form, float and quantized, as modules to convert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


def quantize(x: torch.Tensor, scale: float = 0.05, zero_point: int = -3) -> torch.Tensor:
    return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, -128, 127)


class Quantized(nn.Module):
    """A convolution between FakeQuants, with one for each channel of its weights."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        dims = [dim for dim in range(4) if dim != self.axis]
        self.register_buffer("scale", layer.weight.detach().abs().amax(dims) / 127)
        self.register_buffer("zero", torch.zeros(len(self.scale), dtype=torch.int32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layer, x = self.layer, quantize(x)
        weight = torch.fake_quantize_per_channel_affine(
            layer.weight, self.scale, self.zero, self.axis, -127, 127
        )
        if isinstance(layer, nn.ConvTranspose2d):
            y = F.conv_transpose2d(x, weight, layer.bias, layer.stride, layer.padding)
        else:
            y = layer._conv_forward(x, weight, layer.bias)
        return quantize(y)


class Function(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class Focus(nn.Module):
    """The four phases of an image as channels of a convolution, as YOLOv5 starts."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        phases = [x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)]
        return self.inner(torch.cat(phases, 1))


class Chunks(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a, b = self.inner(x).chunk(2, 1)
        return F.max_pool2d(a, 2), F.max_pool2d(b, 2)


def gate(x: torch.Tensor) -> torch.Tensor:
    x = quantize(x)
    weights = quantize(torch.sigmoid(quantize(x.mean((2, 3), True))), 1 / 256, -128)
    return quantize(x * weights)


@dataclass(frozen=True)
class Case:
    form: str
    """The form's name in C++."""
    shape: tuple[int, ...]
    real: nn.Module | None
    quantized: nn.Module | None


def _both(form: str, shape: tuple[int, ...], layer: nn.Module) -> Case:
    return Case(form, shape, layer, Quantized(layer))


# The layers of a network's squeeze-excite units: small, and many.
STACK = nn.Sequential(
    *[nn.Conv2d(*sizes, 1) for _ in range(16) for sizes in ((240, 16), (16, 240))]
)

CASES = [
    Case("kTables", (1, 64, 56, 56), None, Function(lambda x: quantize(F.silu(quantize(x))))),
    Case("kLinear", (1, 240, 1, 1), STACK, nn.Sequential(*[Quantized(layer) for layer in STACK])),
    _both("kFoldWidth", (1, 3, 224, 224), nn.Conv2d(3, 192, 16, 16)),
    Case(
        "kFocus",
        (1, 3, 320, 320),
        Focus(nn.Conv2d(12, 32, 3, 1, 1)),
        Focus(Quantized(nn.Conv2d(12, 32, 3, 1, 1))),
    ),
    Case(
        "kMaxPool", (1, 64, 112, 112), None, Function(lambda x: F.max_pool2d(quantize(x), 3, 2, 1))
    ),
    Case(
        "kAveragePool",
        (1, 64, 56, 56),
        None,
        Function(lambda x: quantize(F.avg_pool2d(quantize(x), 2), 0.04, 1)),
    ),
    _both("kTransposed", (1, 32, 28, 28), nn.ConvTranspose2d(32, 16, 4, 2, 1)),
    _both("kStrips", (1, 96, 28, 28), nn.Conv2d(96, 96, 7, 1, 3, groups=96)),
    Case(
        "kMultiplier",
        (1, 96, 28, 28),
        nn.Sequential(nn.Conv2d(96, 192, 3, 1, 1, groups=96), nn.Conv2d(192, 16, 1)),
        nn.Sequential(
            Quantized(nn.Conv2d(96, 192, 3, 1, 1, groups=96)), Quantized(nn.Conv2d(192, 16, 1))
        ),
    ),
    _both("kGroups", (1, 64, 28, 28), nn.Conv2d(64, 64, 3, 1, 1, groups=8)),
    Case("kBroadcast", (1, 120, 28, 28), None, Function(gate)),
    Case(
        "kSplit",
        (1, 64, 56, 56),
        Chunks(nn.Conv2d(64, 64, 1)),
        Chunks(Quantized(nn.Conv2d(64, 64, 1))),
    ),
    Case("kWinograd", (1, 256, 14, 14), nn.Conv2d(256, 256, 3, 1, 1), None),
]
