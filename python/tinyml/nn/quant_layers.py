"""Convolution and linear layers whose weights are fake-quantized."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tinyml.nn.fake_quantize import WeightFakeQuantize

WeightRange = tuple[int, int]
DEFAULT_RANGE: WeightRange = (-127, 127)


def weight_fake_quantize(
    weight: torch.Tensor,
    groups: int,
    transposed: bool,
    weight_range: WeightRange | None,
    per_channel: bool,
    channel_ranges: bool = False,
) -> WeightFakeQuantize | None:
    """The WeightFakeQuantize of a layer's weight: one scale for each output channel where the
    weight's layout has an axis of them, else one for the tensor. None for ``weight_range=None``."""
    if weight_range is None:
        return None
    axis = 0
    if transposed:
        per_channel = per_channel and (groups == 1 or weight.shape[1] == 1)
        axis = 1 if groups == 1 else 0
    channels = weight.shape[axis] if per_channel else None
    return WeightFakeQuantize(channels, axis, *weight_range, channel_ranges=channel_ranges)


class QuantizedWeight(nn.Module):
    """Mixin: `weight` goes through `weight_fq`; eval() brings its scale up to date with the last
    optimizer step."""

    weight_fq: WeightFakeQuantize | None

    def _add_weight_fq(
        self, weight_range: WeightRange | None, per_channel: bool, channel_ranges: bool = False
    ) -> None:
        self.weight_fq = weight_fake_quantize(
            self.weight,
            getattr(self, "groups", 1),
            getattr(self, "transposed", False),
            weight_range,
            per_channel,
            channel_ranges,
        )

    def effective_weight(self) -> torch.Tensor:
        """The weight that the layer's integers stand for, before rounding."""
        return self.weight

    def quantized_weight(self) -> torch.Tensor:
        weight = self.effective_weight()
        return weight if self.weight_fq is None else self.weight_fq(weight)

    def train(self, mode: bool = True) -> QuantizedWeight:
        if self.training and not mode:
            self.update_weight_scale()
        return super().train(mode)

    @torch.no_grad()
    def update_weight_scale(self) -> None:
        """Scale from the present weights, unless its observer is off."""
        if self.weight_fq is not None and self.weight_fq.observing:
            self.weight_fq.observe(self.effective_weight())


class QuantizedLayer(QuantizedWeight):
    """Mixin in front of a layer of torch.nn, whose arguments come first."""

    def __init__(
        self,
        *args: Any,
        weight_range: WeightRange | None = DEFAULT_RANGE,
        per_channel: bool = True,
        channel_ranges: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._add_weight_fq(weight_range, per_channel, channel_ranges)


class QuantConv1d(QuantizedLayer, nn.Conv1d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(x, self.quantized_weight(), self.bias)


class QuantConv2d(QuantizedLayer, nn.Conv2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(x, self.quantized_weight(), self.bias)


class QuantConvTranspose2d(QuantizedLayer, nn.ConvTranspose2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return transposed_conv(self, x, self.quantized_weight(), self.bias)


class QuantLinear(QuantizedLayer, nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.quantized_weight(), self.bias)


class QuantConv3d(QuantizedLayer, nn.Conv3d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(x, self.quantized_weight(), self.bias)


class QuantConvTranspose1d(QuantizedLayer, nn.ConvTranspose1d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return transposed_conv(self, x, self.quantized_weight(), self.bias)


class QuantConvTranspose3d(QuantizedLayer, nn.ConvTranspose3d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return transposed_conv(self, x, self.quantized_weight(), self.bias)


class QuantEmbedding(QuantizedLayer, nn.Embedding):
    """``per_channel``: a scale for each row of the table."""

    def forward(self, indices: torch.Tensor) -> torch.Tensor:
        return nn.functional.embedding(
            indices,
            self.quantized_weight(),
            self.padding_idx,
            scale_grad_by_freq=self.scale_grad_by_freq,
            sparse=self.sparse and self.weight_fq is None,  # rounding has dense gradients
        )


_TRANSPOSED = {
    1: nn.functional.conv_transpose1d,
    2: nn.functional.conv_transpose2d,
    3: nn.functional.conv_transpose3d,
}


def transposed_conv(
    layer: nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d,
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
) -> torch.Tensor:
    """The layer's transposed convolution with another weight and bias."""
    apply = _TRANSPOSED[len(layer.kernel_size)]
    return apply(
        x,
        weight,
        bias,
        layer.stride,
        layer.padding,
        layer.output_padding,
        layer.groups,
        layer.dilation,
    )
