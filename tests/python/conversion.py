"""Shared by the conversion tests: convert a small module, run the file, compare with PyTorch."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

import tinyml
from tinyml import _core
from tinyml.verification import OutputError, measure_error, run_tflite


class Call(nn.Module):
    """A plain function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def random_input(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def outputs_of(value: Any) -> list[torch.Tensor]:
    """The tensors in nested tuples and lists, in order; None is left out."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [leaf for item in value if item is not None for leaf in outputs_of(item)]


def convert_module(model: nn.Module | Callable[..., Any], *inputs: torch.Tensor, **options: Any):
    """The ConvertResult of a module or function."""
    module = model if isinstance(model, nn.Module) else Call(model)
    return _core.convert(tinyml.trace(module.eval(), inputs), **options)


def _run(kernel: str, content: bytes, inputs: Sequence[torch.Tensor], result: Any) -> list:
    def run(kernels: str) -> list:
        return run_tflite(
            content,
            [x.numpy() for x in inputs],
            input_orders=result.input_orders,
            output_orders=result.output_orders,
            kernels=kernels,
        )

    try:
        return run(kernel)
    except ValueError as error:  # the runtime has no reference kernels of a few operators
        if kernel != "reference" or "Didn't find op for builtin opcode" not in str(error):
            raise
        return run("builtin")


def run_all(
    result: Any,
    inputs: Sequence[torch.Tensor],
    expected: Sequence[torch.Tensor],
    kernels: Sequence[str] = ("xnnpack", "reference"),
) -> list[OutputError]:
    """The error of every output on every kernel set."""
    errors, content = [], result.to_bytes()
    for kernel in kernels:
        actual = _run(kernel, content, inputs, result)
        assert len(actual) == len(expected)
        for index, (reference, value) in enumerate(zip(expected, actual, strict=True)):
            errors.append(measure_error(f"{kernel} output {index}", reference.numpy(), value))
    return errors


def check_conversion(
    model: nn.Module | Callable[..., Any],
    *inputs: torch.Tensor,
    tolerance: float = 1e-4,
    kernels: tuple[str, ...] = ("xnnpack", "reference"),
    **options: Any,
):
    """Convert, run on every kernel set, compare each output; returns the ConvertResult."""
    module = model if isinstance(model, nn.Module) else Call(model)
    result = convert_module(module, *inputs, **options)
    with torch.no_grad():
        expected = outputs_of(module(*inputs))
    for index, error in enumerate(run_all(result, inputs, expected, kernels)):
        exact = not expected[index % len(expected)].is_floating_point()
        assert error.relative <= (0 if exact else tolerance), error
    return result
