"""The operators of torch.ops.quantized on floats that carry grids; see quantized_tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from tinyml.quantized_tensors import input_grid

Operator = Callable[..., Any]


def _number(value: Any) -> float:
    return float(value.item()) if isinstance(value, torch.Tensor) else float(value)


def _add_number(x: Any, number: Any, relu: bool = False) -> torch.Tensor:
    """x + number: the zero point moves; where it would leave the integers, the scale grows."""
    if not isinstance(x, torch.Tensor):
        x, number = number, x
    grid = input_grid(x)
    steps = round(_number(number) / grid.scale)
    zero_point, span = grid.zero_point - steps, grid.high - grid.low
    if zero_point < grid.low:
        new = grid.with_scale((grid.high - zero_point) / span * grid.scale, grid.low)
    elif zero_point > grid.high:
        new = grid.with_scale((zero_point - grid.low) / span * grid.scale, grid.high)
    else:
        new = grid.with_scale(grid.scale, zero_point)
    result = x + steps * grid.scale
    return new.put(F.relu(result) if relu else result)


def _times_number(x: Any, number: Any, relu: bool = False) -> torch.Tensor:
    """x * number: the scale takes the factor; a negative one mirrors the zero point."""
    if not isinstance(x, torch.Tensor):
        x, number = number, x
    grid, factor = input_grid(x), _number(number)
    if factor == 0:
        return grid.with_scale(1.0, grid.low).put(x * 0.0)
    zero_point = grid.zero_point if factor > 0 else grid.low + grid.high - grid.zero_point
    result = x * factor
    new = grid.with_scale(grid.scale * abs(factor), zero_point)
    return new.put(F.relu(result) if relu else result)


def _binary(
    compute: Callable[[Any, Any], torch.Tensor], with_number: Operator | None, relu: bool = False
) -> Operator:
    def run(qa: Any, qb: Any, scale: Any = None, zero_point: Any = None) -> torch.Tensor:
        if scale is None and with_number is not None:
            return with_number(qa, qb, relu)
        grid = input_grid(qa)
        input_grid(qb)
        result = compute(qa, qb)
        return grid.with_scale(scale, zero_point).put(F.relu(result) if relu else result)

    return run


def _cat(relu: bool) -> Operator:
    def run(qx: Any, dim: int, scale: Any = None, zero_point: Any = None) -> torch.Tensor:
        grid = input_grid(qx[0])
        if scale is not None:
            grid = grid.with_scale(scale, zero_point)
        result = torch.cat(list(qx), dim)
        return grid.put(F.relu(result) if relu else result)

    return run


def _scaled(compute: Callable[..., torch.Tensor]) -> Operator:
    """(x, ..., output_scale, output_zero_point)"""

    def run(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        grid, rest = input_grid(x), list(args)
        zero_point = kwargs.pop("output_zero_point", None)
        if zero_point is None:
            zero_point = rest.pop()
        scale = kwargs.pop("output_scale", None)
        if scale is None:
            scale = rest.pop()
        return grid.with_scale(scale, zero_point).put(compute(x, *rest, **kwargs))

    return run


def _on_input_grid(compute: Callable[..., torch.Tensor]) -> Operator:
    return lambda x, *args, **kwargs: input_grid(x).put(compute(x, *args, **kwargs))


def _batch_norm(relu: bool) -> Operator:
    def compute(x: Any, weight: Any, bias: Any, mean: Any, var: Any, eps: float) -> torch.Tensor:
        y = F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)
        return F.relu(y) if relu else y

    return _scaled(compute)


def _elu(x: Any, output_scale: Any, output_zero_point: Any, alpha: float = 1.0) -> torch.Tensor:
    return input_grid(x).with_scale(output_scale, output_zero_point).put(F.elu(x, alpha))


def _celu(x: Any, output_scale: Any, output_zero_point: Any, alpha: float = 1.0) -> torch.Tensor:
    return input_grid(x).with_scale(output_scale, output_zero_point).put(F.celu(x, alpha))


def _packed(activation: Callable[..., torch.Tensor] | None = None) -> Operator:
    """(x, layer, output_scale, output_zero_point, arguments of the activation)"""

    def run(x: Any, layer: Any, scale: Any, zero_point: Any, *rest: Any) -> torch.Tensor:
        grid = input_grid(x)
        y = layer(x)
        y = y if activation is None else activation(y, *rest)
        return grid.with_scale(scale, zero_point).put(y)

    return run


def _packed_sum(activation: Callable[..., torch.Tensor] | None = None) -> Operator:
    def run(x: Any, addend: Any, layer: Any, scale: Any, zero_point: Any) -> torch.Tensor:
        grid = input_grid(x)
        y = layer(x) + addend
        y = y if activation is None else activation(y)
        return grid.with_scale(scale, zero_point).put(y)

    return run


def _dynamic(activation: Callable[..., torch.Tensor] | None = None) -> Operator:
    """Float in, float out; the runtime quantizes x by its range."""

    def run(x: Any, layer: Any, reduce_range: bool = False) -> torch.Tensor:
        y = layer(x)
        return y if activation is None else activation(y)

    return run


def _layers() -> dict[str, Operator]:
    table: dict[str, Operator] = {}
    for rank in (1, 2, 3):
        table[f"conv{rank}d"] = _packed()
        table[f"conv{rank}d_relu"] = _packed(F.relu)
        table[f"conv{rank}d_dynamic"] = _dynamic()
        table[f"conv_transpose{rank}d"] = _packed()
        table[f"conv_transpose{rank}d_dynamic"] = _dynamic()
        table[f"batch_norm{rank}d"] = _batch_norm(False)
        table[f"batch_norm{rank}d_relu"] = _batch_norm(True)
    return table


OPERATORS: dict[str, Operator] = _layers() | {
    "add": _binary(torch.add, _add_number),
    "add_relu": _binary(torch.add, _add_number, True),
    "add_scalar": _add_number,
    "add_scalar_relu": lambda x, number: _add_number(x, number, True),
    "mul": _binary(torch.mul, _times_number),
    "mul_relu": _binary(torch.mul, _times_number, True),
    "mul_scalar": _times_number,
    "mul_scalar_relu": lambda x, number: _times_number(x, number, True),
    "matmul": _binary(torch.matmul, None),
    "cat": _cat(False),
    "cat_relu": _cat(True),
    "linear": _packed(),
    "linear_relu": _packed(F.relu),
    "linear_leaky_relu": _packed(F.leaky_relu),
    "linear_tanh": _packed(torch.tanh),
    "linear_dynamic": _dynamic(),
    "linear_relu_dynamic": _dynamic(F.relu),
    "conv2d_add": _packed_sum(),
    "conv2d_add_relu": _packed_sum(F.relu),
    "batch_norm": _batch_norm(False),
    "batch_norm_relu": _batch_norm(True),
    "layer_norm": _scaled(F.layer_norm),
    "group_norm": _scaled(F.group_norm),
    "instance_norm": _scaled(
        lambda x, weight, bias, eps: F.instance_norm(x, weight=weight, bias=bias, eps=eps)
    ),
    "hardswish": _scaled(F.hardswish),
    "leaky_relu": _scaled(lambda x, slope, inplace=False: F.leaky_relu(x, slope)),
    "sigmoid": _scaled(torch.sigmoid),
    "softmax": _scaled(torch.softmax),
    "prelu": _scaled(F.prelu),
    "dropout": _scaled(lambda x, p=0.5, training=False: x),
    "elu": _elu,
    "celu": _celu,
    "relu6": _on_input_grid(lambda x, inplace=False: F.relu6(x)),
    "clamp": _on_input_grid(torch.clamp),
    "threshold": _on_input_grid(F.threshold),
    "max_pool2d": _on_input_grid(F.max_pool2d),
}
