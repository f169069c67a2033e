"""What PyTorch's quantized operators compute, in floats with FakeQuants.

Inside ``QuantizedArithmetic`` a quantized tensor is a float tensor that lies on a grid, which it carries along; every
function that PyTorch runs on quantized tensors is replaced by its float twin and a FakeQuant of the grid of its result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from tinyml._core import Error

_GRID = "_tinyml_grid"


@dataclass(frozen=True)
class Grid:
    """real = scale * (q - zero_point) for integers q in [low, high]."""

    scale: float
    zero_point: int
    low: int = 0
    high: int = 255

    @staticmethod
    def of_dtype(scale: Any, zero_point: Any, dtype: torch.dtype) -> Grid:
        if dtype not in (torch.quint8, torch.qint8):
            raise Error(f"activations of type {dtype} have no 8-bit grid; use quint8 or qint8")
        low = -128 if dtype == torch.qint8 else 0
        return Grid(float(scale), int(zero_point), low, low + 255)

    def with_scale(self, scale: Any, zero_point: Any) -> Grid:
        return Grid(float(scale), int(zero_point), self.low, self.high)

    def put(self, x: torch.Tensor) -> torch.Tensor:
        """x rounded to the grid, which it carries."""
        return self.mark(
            torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, self.low, self.high)
        )

    def mark(self, x: torch.Tensor) -> torch.Tensor:
        """x, which lies on the grid already."""
        setattr(x, _GRID, self)
        return x


def grid_of(x: Any) -> Grid | None:
    """The grid of a quantized tensor; None for others."""
    return getattr(x, _GRID, None) if isinstance(x, torch.Tensor) else None


# Move or select values: the result lies on the input's grid.
_MOVES = frozenset(
    "view reshape flatten unflatten permute transpose swapaxes movedim t contiguous clone chunk split "
    "split_with_sizes tensor_split squeeze unsqueeze select __getitem__ narrow unbind expand expand_as "
    "repeat tile roll flip max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d relu "
    "relu_ pixel_shuffle pixel_unshuffle channel_shuffle dropout dropout2d dropout3d detach alias index_select "
    "view_as reshape_as identity max amax min amin sort topk masked_fill repeat_interleave to".split()
)
# Compute and round to the input's grid.
_ROUNDED = frozenset(
    "avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d mean interpolate "
    "upsample upsample_nearest upsample_bilinear hardtanh hardtanh_ relu6 clamp clamp_ clip leaky_relu leaky_relu_ "
    "threshold hardswish hardswish_ elu elu_ pad".split()
)
# Have a fixed grid: scale, zero point of quint8.
_FIXED = {"sigmoid": (1 / 256, 0), "hardsigmoid": (1 / 256, 0), "tanh": (2 / 256, 128)}
# Say something about a tensor, whatever it holds.
_QUERIES = frozenset(
    "size dim numel nelement element_size stride is_contiguous is_floating_point is_complex is_cuda "
    "get_device ndimension type __len__ __hash__ requires_grad_ storage_offset __repr__ data_ptr".split()
)


class QuantizedArithmetic(TorchFunctionMode):
    """Enter it around the forward of a model whose layers have been replaced by `from_quantized`."""

    def __init__(self) -> None:
        super().__init__()
        self._plain = 0

    @contextmanager
    def plain(self) -> Iterator[None]:
        """Ordinary arithmetic inside: for layers that handle the grids of their operands themselves."""
        self._plain += 1
        try:
            yield
        finally:
            self._plain -= 1

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._plain:
            return func(*args, **kwargs)
        name = _name_of(func)
        if str(func).startswith("quantized.") or isinstance(func, torch._ops.OpOverload):
            handler = _QUANTIZED.get(str(func).removeprefix("quantized.").split(".")[0])
            if handler is not None:
                return handler(*args, **kwargs)
        if name == "quantize_per_tensor":
            x, scale, zero_point, dtype = _bind(args, kwargs, "input", "scale", "zero_point", "dtype")
            return Grid.of_dtype(scale, zero_point, dtype).put(x)
        operands = [args[0]] if args else list(kwargs.values())[:1]
        if operands and isinstance(operands[0], list | tuple):
            operands = list(operands[0])
        grid = next((g for g in map(grid_of, operands) if g is not None), None)
        if grid is None:
            if any(grid_of(value) is not None for value in [*args[1:], *kwargs.values()]):
                raise _unknown(name)
            return func(*args, **kwargs)
        return _call(func, name, grid, args, kwargs)


def _call(func: Any, name: str, grid: Grid, args: Any, kwargs: Any) -> Any:
    if name == "__get__":
        if func.__self__.__name__ == "is_quantized":
            return True
        result = func(*args, **kwargs)
        return _mark(result, grid)
    if name in _QUERIES:
        return func(*args, **kwargs)
    if name == "dequantize":
        return args[0].clone()
    if name in ("q_scale", "q_zero_point"):
        return grid.scale if name == "q_scale" else grid.zero_point
    if name == "qscheme":
        return torch.per_tensor_affine
    if name in _MOVES:
        return _mark(func(*args, **kwargs), grid)
    if name in _ROUNDED:
        return grid.put(func(*args, **kwargs))
    if name in _FIXED:
        scale, zero_point = _FIXED[name]
        return grid.with_scale(scale, zero_point + grid.low).put(func(*args, **kwargs))
    if name in ("cat", "concat", "concatenate", "stack"):
        return grid.put(func(*args, **kwargs))
    if name == "prelu":
        return grid.put(func(*args, **kwargs))
    raise _unknown(name)


def _unknown(name: str) -> Error:
    return Error(
        f"{name} on a quantized tensor is not known: dequantize before it, or use the modules of "
        "torch.ao.nn.quantized"
    )


def _mark(result: Any, grid: Grid) -> Any:
    if isinstance(result, torch.Tensor):
        return grid.mark(result) if result.is_floating_point() else result
    if isinstance(result, tuple | list):
        for item in result:
            _mark(item, grid)
    return result


def _name_of(func: Any) -> str:
    return getattr(func, "__name__", str(func)).removeprefix("_").split(".")[0] if not str(
        getattr(func, "__name__", "")
    ).startswith("__") else func.__name__


def _bind(args: Any, kwargs: Any, *names: str) -> list[Any]:
    values = dict(zip(names, args, strict=False)) | kwargs
    return [values[name] for name in names]


# --- torch.ops.quantized.*; the operands are quantized tensors.


def _binary(compute: Callable[[Any, Any], torch.Tensor], relu: bool) -> Callable[..., Any]:
    def run(qa: Any, qb: Any, scale: Any = None, zero_point: Any = None) -> torch.Tensor:
        grid = grid_of(qa) or grid_of(qb)
        if grid is None:
            raise Error("an operand of a quantized addition or multiplication is not quantized")
        if scale is None:  # a number: the scale follows from it
            return (_add_number if compute is torch.add else _times_number)(qa, qb, relu)
        result = compute(qa, qb)
        return grid.with_scale(scale, zero_point).put(F.relu(result) if relu else result)

    return run


def _number(value: Any) -> float:
    return float(value.item()) if isinstance(value, torch.Tensor) else float(value)


def _add_number(qx: Any, number: Any, relu: bool = False) -> torch.Tensor:
    """The grid moves where its zero point can, else it is stretched, as ATen does it."""
    if not isinstance(qx, torch.Tensor):
        qx, number = number, qx
    grid = grid_of(qx)
    assert grid is not None
    steps = round(_number(number) / grid.scale)
    zero_point = grid.zero_point - steps
    span = grid.high - grid.low
    if zero_point < grid.low:
        new = grid.with_scale((grid.high - zero_point) / span * grid.scale, grid.low)
    elif zero_point > grid.high:
        new = grid.with_scale((zero_point - grid.low) / span * grid.scale, grid.high)
    else:
        new = grid.with_scale(grid.scale, zero_point)
    result = qx + steps * grid.scale
    return new.put(F.relu(result) if relu else result)


def _times_number(qx: Any, number: Any, relu: bool = False) -> torch.Tensor:
    if not isinstance(qx, torch.Tensor):
        qx, number = number, qx
    grid = grid_of(qx)
    assert grid is not None
    factor = _number(number)
    if factor == 0:
        return grid.with_scale(1.0, grid.low).put(qx * 0.0)
    zero_point = grid.zero_point if factor > 0 else grid.low + grid.high - grid.zero_point
    result = qx * factor
    new = grid.with_scale(grid.scale * abs(factor), zero_point)
    return new.put(F.relu(result) if relu else result)


def _cat(relu: bool) -> Callable[..., Any]:
    def run(qx: Any, dim: int, scale: Any = None, zero_point: Any = None) -> torch.Tensor:
        grid = next(g for g in map(grid_of, qx) if g is not None)
        if scale is not None:
            grid = grid.with_scale(scale, zero_point)
        result = torch.cat(list(qx), dim)
        return grid.put(F.relu(result) if relu else result)

    return run


def _unary(compute: Callable[..., torch.Tensor]) -> Callable[..., Any]:
    """(qx, ..., output_scale, output_zero_point)."""

    def run(qx: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        values = list(args)
        zero_point = kwargs.pop("output_zero_point", None)
        zero_point = values.pop() if zero_point is None else zero_point
        scale = kwargs.pop("output_scale", None)
        scale = values.pop() if scale is None else scale
        return _input_grid(qx).with_scale(scale, zero_point).put(compute(qx, *values, **kwargs))

    return run


def _input_grid(qx: torch.Tensor) -> Grid:
    grid = grid_of(qx)
    if grid is None:
        raise Error("the input of a quantized operator is not quantized: a QuantStub is missing")
    return grid


def _batch_norm(relu: bool) -> Callable[..., Any]:
    def compute(x: Any, weight: Any, bias: Any, mean: Any, var: Any, eps: float) -> torch.Tensor:
        y = F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)
        return F.relu(y) if relu else y

    return _unary(compute)


def _elu(
    qx: torch.Tensor, output_scale: Any, output_zero_point: Any, alpha: float = 1.0, *_: Any
) -> torch.Tensor:
    return _input_grid(qx).with_scale(output_scale, output_zero_point).put(F.elu(qx, alpha))


def _celu(
    qx: torch.Tensor, output_scale: Any, output_zero_point: Any, alpha: float = 1.0
) -> torch.Tensor:
    return _input_grid(qx).with_scale(output_scale, output_zero_point).put(F.celu(qx, alpha))


def _clamped(compute: Callable[..., torch.Tensor]) -> Callable[..., Any]:
    return lambda qx, *args, **kwargs: _input_grid(qx).put(compute(qx, *args, **kwargs))


_QUANTIZED: dict[str, Callable[..., Any]] = {
    "add": _binary(torch.add, False),
    "add_relu": _binary(torch.add, True),
    "add_scalar": _add_number,
    "add_scalar_relu": lambda qx, b: _add_number(qx, b, True),
    "mul": _binary(torch.mul, False),
    "mul_relu": _binary(torch.mul, True),
    "mul_scalar": _times_number,
    "mul_scalar_relu": lambda qx, b: _times_number(qx, b, True),
    "matmul": _binary(torch.matmul, False),
    "cat": _cat(False),
    "cat_relu": _cat(True),
    "hardswish": _unary(F.hardswish),
    "leaky_relu": _unary(lambda x, slope, inplace: F.leaky_relu(x, slope)),
    "sigmoid": _unary(torch.sigmoid),
    "softmax": _unary(torch.softmax),
    "batch_norm": _batch_norm(False),
    "batch_norm1d": _batch_norm(False),
    "batch_norm2d": _batch_norm(False),
    "batch_norm3d": _batch_norm(False),
    "batch_norm_relu": _batch_norm(True),
    "batch_norm1d_relu": _batch_norm(True),
    "batch_norm2d_relu": _batch_norm(True),
    "batch_norm3d_relu": _batch_norm(True),
    "layer_norm": _unary(lambda x, shape, weight, bias, eps: F.layer_norm(x, shape, weight, bias, eps)),
    "group_norm": _unary(F.group_norm),
    "instance_norm": _unary(
        lambda x, weight, bias, eps: F.instance_norm(x, weight=weight, bias=bias, eps=eps)
    ),
    "elu": _elu,
    "celu": _celu,
    "prelu": _unary(F.prelu),
    "relu6": _clamped(lambda x, inplace=False: F.relu6(x)),
    "clamp": _clamped(torch.clamp),
    "threshold": _clamped(F.threshold),
    "dropout": _unary(lambda x, p=0.5, training=False: x),
}
