"""Layers with a batch norm folded into their weights, as the integer layer will have it.

Training rounds ``weight * gamma / sqrt(running_var + eps)``, takes the factor out of the rounded
weight again and normalizes with the batch's own statistics, so that the rounding error is the
deployed one while batch norm learns as usual and no pass over activations is added. Eval, and
training after freeze_bn(), compute the folded layer directly; its export folds to one convolution
with constant weight and bias.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn

from tinyml.nn.quant_layers import (
    DEFAULT_RANGE,
    QuantizedWeight,
    WeightRange,
    transposed_conv,
)
from tinyml.nn.rounding import along_axis

_SMALLEST_FACTOR = 1e-12


class FoldedBatchNorm(QuantizedWeight):
    """Mixin over a layer class: adds `bn`, and `weight_fq` over the folded weight.

    eps, momentum, affine: the batch norm's; all else that is not the FakeQuant's goes to the layer.
    """

    batch_norm: ClassVar[type[nn.modules.batchnorm._BatchNorm]]
    bn: nn.modules.batchnorm._BatchNorm
    bn_name: str | None
    """Where DeQuantizer puts the batch norm, as in imports: ".norm1" beside the layer,
    "..norms.0" in the module around it. None: by the layer's name, "bn1" for "conv1"."""
    bn_frozen: bool

    def __init__(
        self,
        *args: Any,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        bn_name: str | None = None,
        weight_range: WeightRange | None = DEFAULT_RANGE,
        per_channel: bool = True,
        channel_ranges: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if self._is_transposed() and self.groups != 1 and self.weight.shape[1] != 1:
            raise ValueError("a grouped transposed convolution has no axis of output channels")
        channels = self.out_features if isinstance(self, nn.Linear) else self.out_channels
        self.bn = self.batch_norm(channels, eps, momentum, affine)
        self.bn_name = bn_name
        self.bn_frozen = False
        self._add_weight_fq(weight_range, per_channel, channel_ranges)

    def _is_transposed(self) -> bool:
        return getattr(self, "transposed", False)

    def _apply_layer(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        if isinstance(self, nn.Linear):
            return nn.functional.linear(x, weight, bias)
        if self._is_transposed():
            return transposed_conv(self, x, weight, bias)
        return self._conv_forward(x, weight, bias)

    def _channel_axis(self) -> int:
        """The axis of the weight that holds the output channels."""
        if not self._is_transposed():
            return 0
        return 1 if self.groups == 1 else 0

    def factor(self) -> torch.Tensor:
        """gamma / sqrt(running_var + eps) for each output channel."""
        inverse = torch.rsqrt(self.bn.running_var + self.bn.eps)
        return inverse if self.bn.weight is None else self.bn.weight * inverse

    def _per_channel(self, values: torch.Tensor) -> torch.Tensor:
        """Values for each output channel, shaped to multiply the weight."""
        return along_axis(values, self.weight.dim(), self._channel_axis())

    def effective_weight(self) -> torch.Tensor:
        return self.weight * self._per_channel(self.factor())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        factor = self.factor()
        weight = self.weight * self._per_channel(factor)
        if self.weight_fq is not None:
            weight = self.weight_fq(weight)
        if not self.bn.training:
            shift = self.bn.running_mean
            shift = -shift if self.bias is None else self.bias - shift
            bias = shift * factor
            if self.bn.bias is not None:
                bias = self.bn.bias + bias
            return self._apply_layer(x, weight, bias)
        safe = torch.where(factor.abs() < _SMALLEST_FACTOR, _SMALLEST_FACTOR, factor)
        return self.bn(self._apply_layer(x, weight / self._per_channel(safe), self.bias))

    def train(self, mode: bool = True) -> FoldedBatchNorm:
        super().train(mode)
        if self.bn_frozen:
            self.bn.eval()
        return self

    def freeze_bn(self) -> None:
        self.bn_frozen = True
        self.bn.eval()

    def unfreeze_bn(self) -> None:
        self.bn_frozen = False
        self.bn.train(self.training)


class ConvBn1d(FoldedBatchNorm, nn.Conv1d):
    batch_norm = nn.BatchNorm1d


class ConvBn2d(FoldedBatchNorm, nn.Conv2d):
    batch_norm = nn.BatchNorm2d


class ConvBn3d(FoldedBatchNorm, nn.Conv3d):
    batch_norm = nn.BatchNorm3d


class ConvTransposeBn1d(FoldedBatchNorm, nn.ConvTranspose1d):
    """Groups: 1, or one group a channel."""

    batch_norm = nn.BatchNorm1d


class ConvTransposeBn2d(FoldedBatchNorm, nn.ConvTranspose2d):
    """Groups: 1, or one group a channel."""

    batch_norm = nn.BatchNorm2d


class ConvTransposeBn3d(FoldedBatchNorm, nn.ConvTranspose3d):
    """Groups: 1, or one group a channel."""

    batch_norm = nn.BatchNorm3d


class LinearBn1d(FoldedBatchNorm, nn.Linear):
    """For inputs of two dimensions."""

    batch_norm = nn.BatchNorm1d
