"""Fake quantization with gradients, for eager mode on the CPU."""

from __future__ import annotations

from typing import Any

import torch


def along_axis(values: torch.Tensor, dims: int, axis: int) -> torch.Tensor:
    """One value for each index of an axis, shaped to be combined with a tensor of `dims`."""
    shape = [1] * dims
    shape[axis] = -1
    return values.reshape(shape)


def fake_quantize(
    x: torch.Tensor,
    scale: torch.Tensor | float,
    zero_point: torch.Tensor | int,
    quant_min: int,
    quant_max: int,
    axis: int | None = None,
) -> torch.Tensor:
    """``(clamp(round(x / scale) + zero_point, quant_min, quant_max) - zero_point) * scale``.

    scale (float32) and zero_point (int32) have one element, or with ``axis`` one for each of its
    indices (then every zero point is 0). The gradient passes where x is not clamped.

    ATen's operators compute the same numbers. They are used off the CPU, and wherever a graph is
    captured; on the CPU they take about nine times as long (neither is vectorized there, nor is
    the product with a mask of bools in their backward), so there this is made of vectorized ones.
    """
    if x.device.type == "cpu" and x.dtype in (torch.bfloat16, torch.float16):  # under autocast
        return fake_quantize(x.float(), scale, zero_point, quant_min, quant_max, axis).to(x.dtype)
    on_host = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    if torch.compiler.is_compiling() or not on_host:
        if axis is None:
            return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, quant_min, quant_max)
        return torch.fake_quantize_per_channel_affine(
            x, scale, zero_point, axis, quant_min, quant_max
        )
    if not isinstance(scale, torch.Tensor):
        scale = torch.tensor([scale])
    scale = scale.detach().clone()  # a further call may move it before the gradient comes
    if axis is not None:
        return _Round.apply(x, along_axis(scale, x.dim(), axis), quant_min, quant_max)
    offset = int(zero_point)
    return _Round.apply(x, scale, quant_min - offset, quant_max - offset)


class _Round(torch.autograd.Function):
    """Rounds to multiples of scale, from low to high times."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor, scale: torch.Tensor, low: int, high: int) -> torch.Tensor:
        return (x * scale.reciprocal()).round_().clamp_(low, high).mul_(scale)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        x, scale, ctx.low, ctx.high = inputs
        ctx.save_for_backward(x, scale)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, scale = ctx.saved_tensors
        low, high = ctx.low - 0.5, ctx.high + 0.5
        if scale.numel() == 1:  # saves a pass over activations
            low, high = low * float(scale), high * float(scale)
        else:
            x = x * scale.reciprocal()
        return torch.ops.aten.hardtanh_backward(gradient, x, low, high), None, None, None
