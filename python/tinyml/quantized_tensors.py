"""What PyTorch's quantized operators compute, in floats with FakeQuants.

Inside ``QuantizedArithmetic`` a quantized tensor is a float tensor that lies on a grid, which it
carries along; every function that PyTorch runs on quantized tensors is replaced by its float twin
and a FakeQuant to the grid of its result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from tinyml._core import Error

_GRID = "_tinyml_grid"
_NAMESPACES = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")
_FLOAT_MODULES = ("FloatFunctional", "FXFloatFunctional")


def is_quantized_module(module: nn.Module) -> bool:
    """Whether the module computes on quantized tensors or holds quantized weights."""
    kind = type(module)
    return kind.__module__.startswith(_NAMESPACES) and kind.__name__ not in _FLOAT_MODULES


def is_quantized(model: nn.Module) -> bool:
    """Whether torch.ao.quantization's eager or FX flow has converted (a part of) the model."""
    if any(is_quantized_module(module) for module in model.modules()):
        return True
    return isinstance(model, torch.fx.GraphModule) and any(
        node.target is torch.quantize_per_tensor or str(node.target).startswith("quantized.")
        for node in model.graph.nodes
    )


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
        """x rounded to the grid, which the result carries."""
        return self.mark(
            torch.fake_quantize_per_tensor_affine(
                x, self.scale, self.zero_point, self.low, self.high
            )
        )

    def mark(self, x: torch.Tensor) -> torch.Tensor:
        """x, which lies on the grid already."""
        setattr(x, _GRID, self)
        return x


def grid_of(x: Any) -> Grid | None:
    """The grid of a quantized tensor; None for others."""
    return getattr(x, _GRID, None) if isinstance(x, torch.Tensor) else None


def input_grid(x: Any) -> Grid:
    """The grid of a tensor that has to be quantized."""
    grid = grid_of(x)
    if grid is None:
        raise Error(
            "a quantized operator reads a float tensor: put a QuantStub before it, or "
            "torch.quantize_per_tensor"
        )
    return grid


# Functions of tensors by the part of their name, and what they do with their input's grid.
# Exact: they move or select values.
_MOVES = frozenset(
    (
        *("view", "reshape", "flatten", "unflatten", "permute", "transpose", "swapaxes", "movedim"),
        *("t", "contiguous", "clone", "chunk", "split", "split_with_sizes", "tensor_split", "to"),
        *("squeeze", "unsqueeze", "select", "__getitem__", "narrow", "unbind", "expand"),
        *("expand_as", "view_as", "reshape_as", "repeat", "tile", "roll", "flip", "detach"),
        *("max_pool1d", "max_pool2d", "max_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d"),
        *("relu", "relu_", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "dropout"),
        *("dropout2d", "dropout3d", "index_select", "max", "amax", "min", "amin", "sort", "topk"),
        *("masked_fill", "repeat_interleave"),
    )
)
# They compute, and round to the grid of their (first) input.
_ROUNDED = frozenset(
    (
        *("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d"),
        *("adaptive_avg_pool3d", "mean", "interpolate", "upsample", "upsample_nearest"),
        *("upsample_bilinear", "hardtanh", "hardtanh_", "relu6", "clamp", "clamp_", "clip"),
        *("leaky_relu", "leaky_relu_", "threshold", "hardswish", "hardswish_", "elu", "elu_"),
        *("pad", "cat", "concat", "concatenate", "stack", "prelu", "celu"),
    )
)
# They have a grid of their own: scale, and zero point above the lowest integer.
_FIXED = {
    "sigmoid": (1 / 256, 0),
    "sigmoid_": (1 / 256, 0),
    "hardsigmoid": (1 / 256, 0),
    "hardsigmoid_": (1 / 256, 0),
    "tanh": (2 / 256, 128),
    "tanh_": (2 / 256, 128),
}
# They say something about a tensor, whatever it holds.
_QUERIES = frozenset(
    (
        *("size", "dim", "ndimension", "numel", "nelement", "element_size", "stride", "type"),
        *("is_contiguous", "is_floating_point", "is_complex", "get_device", "storage_offset"),
        *("__len__", "__hash__", "__repr__", "requires_grad_", "data_ptr"),
    )
)


class QuantizedArithmetic(TorchFunctionMode):
    """Entered around the forward of a model that `from_quantized` has prepared.

    operators: the functions of torch.ops.quantized by name; their operands carry grids.
    """

    def __init__(self, operators: dict[str, Callable[..., Any]]) -> None:
        super().__init__()
        self._operators = operators
        self._plain = 0

    @contextmanager
    def plain(self) -> Iterator[None]:
        """Ordinary arithmetic inside: for layers that know the grids of their operands."""
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
        namespace, _, operator = str(func).partition(".")
        if namespace == "quantized":
            handler = self._operators.get(operator.split(".")[0])
            if handler is None:
                raise Error(f"torch.ops.{func} is not known: dequantize before it")
            return handler(*args, **kwargs)
        name = func.__name__
        if name == "quantize_per_tensor":
            values = dict(zip(("input", "scale", "zero_point", "dtype"), args, strict=False))
            values |= kwargs
            grid = Grid.of_dtype(values["scale"], values["zero_point"], values["dtype"])
            return grid.put(values["input"])
        operand = args[0] if args else next(iter(kwargs.values()), None)
        candidates = operand if isinstance(operand, list | tuple) else [operand]
        found = next((grid for grid in map(grid_of, candidates) if grid is not None), None)
        if found is not None:
            return _apply(func, name, found, args, kwargs)
        if any(grid_of(value) is not None for value in (*args, *kwargs.values())):
            raise _unknown(name)
        return func(*args, **kwargs)


def _apply(func: Any, name: str, grid: Grid, args: Any, kwargs: Any) -> Any:
    """A function of torch on a tensor with a grid."""
    if name == "__get__":  # an attribute, such as x.shape or x.T
        is_flag = func.__self__.__name__ == "is_quantized"
        return True if is_flag else _mark(func(*args, **kwargs), grid)
    if name in _QUERIES:
        return func(*args, **kwargs)
    if name == "dequantize":
        return args[0].clone()
    if name in ("q_scale", "q_zero_point"):
        return grid.scale if name == "q_scale" else grid.zero_point
    if name in _MOVES:
        return _mark(func(*args, **kwargs), grid)
    if name in _ROUNDED:
        return grid.put(func(*args, **kwargs))
    if name in _FIXED:
        scale, above = _FIXED[name]
        return grid.with_scale(scale, grid.low + above).put(func(*args, **kwargs))
    raise _unknown(name)


def _unknown(name: str) -> Error:
    return Error(
        f"'{name}' of a quantized tensor is not known: dequantize before it, or use a module of "
        "torch.ao.nn.quantized"
    )


def _mark(result: Any, grid: Grid) -> Any:
    if isinstance(result, torch.Tensor):
        return grid.mark(result) if result.is_floating_point() else result
    if isinstance(result, tuple | list):
        for item in result:
            _mark(item, grid)
    return result
