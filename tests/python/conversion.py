"""Shared by the conversion tests: convert a small module, run the file, compare with PyTorch."""

import copy
import io
import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

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


_LOADED = itertools.count()


def random_input(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def outputs_of(value: Any) -> list[torch.Tensor]:
    """The tensors of a model's result, in the order of its structure."""
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def convert_module(model: nn.Module | Callable[..., Any], *inputs: torch.Tensor, **options: Any):
    """The ConvertResult of a module or function."""
    return _core.convert(capture(model, *inputs), **options)


def capture(model: nn.Module | Callable[..., Any], *inputs: torch.Tensor):
    """The Graph of a module or function."""
    module = model if isinstance(model, nn.Module) else Call(model)
    return tinyml.trace(module.eval(), inputs)


def load_generated(graph: tinyml.Graph) -> nn.Module:
    """The model that the graph's generated Python code defines, with its weights."""
    source, weights = _core.generate_python(graph, "Generated", "")
    saved = io.BytesIO()
    torch.save({name: torch.from_dlpack(data) for name, data in weights.items()}, saved)
    saved.seek(0)
    name = f"generated_{next(_LOADED)}"  # its own: torch.compile's guards outlive a test
    module = ModuleType(name)
    sys.modules[name] = module  # where torch.cond looks its branches up
    exec(compile(source, "generated.py", "exec"), module.__dict__)
    return module.load(saved).eval()


def without_classes(value: Any) -> Any:
    """A structure with tuples for named tuples and dictionaries of fields for dataclasses."""
    if is_dataclass(value):
        return {f.name: without_classes(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return type(value)((key, without_classes(item)) for key, item in value.items())
    if isinstance(value, tuple | list):
        items = [without_classes(item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value


def check_generated(graph: tinyml.Graph, inputs: Sequence[Any], expected: Any) -> None:
    """Generate Python code, run it and compare: structure, types and numbers."""
    with torch.no_grad():
        actual = load_generated(graph)(*copy.deepcopy(inputs))
    leaves, structure = pytree.tree_flatten(without_classes(expected))
    values, found = pytree.tree_flatten(without_classes(actual))
    assert found == structure
    for value, reference in zip(values, leaves, strict=True):
        if isinstance(reference, torch.Tensor):
            assert value.dtype == reference.dtype
            torch.testing.assert_close(value, reference, rtol=1e-5, atol=1e-5, equal_nan=True)
        else:
            assert value == reference


def check_evaluated(
    graph: tinyml.Graph, inputs: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]
) -> None:
    """The library's own evaluator computes the same types and numbers."""
    results = graph.evaluate(*(x.numpy() for x in inputs))
    actual = [torch.as_tensor(value) for value in results if value is not None]
    assert len(actual) == len(expected)
    for value, reference in zip(actual, expected, strict=True):
        assert value.dtype == reference.dtype
        torch.testing.assert_close(value, reference, rtol=1e-4, atol=1e-4, equal_nan=True)


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
    generated: bool = True,
    evaluated: bool = True,
    **options: Any,
):
    """Convert, run on every kernel set, compare each output; the same for the evaluator and
    the generated Python code. Returns the ConvertResult."""
    module = model if isinstance(model, nn.Module) else Call(model)
    graph = capture(module, *inputs)
    result = _core.convert(graph, **options)
    with torch.no_grad():
        value = module(*copy.deepcopy(inputs))
    expected = outputs_of(value)
    for index, error in enumerate(run_all(result, inputs, expected, kernels)):
        exact = not expected[index % len(expected)].is_floating_point()
        assert error.relative <= (0 if exact else tolerance), error
    if evaluated:
        check_evaluated(graph, inputs, expected)
    if generated:
        check_generated(graph, inputs, value)
    return result


def check_steps(
    result: Any,
    inputs: Sequence[torch.Tensor],
    expected: Sequence[torch.Tensor],
    step: float,
    kernels: Sequence[str] = ("xnnpack", "builtin", "reference"),
) -> None:
    """No output is farther than one quantization step (`step`) from PyTorch's."""
    for error in run_all(result, inputs, expected, kernels):
        assert error.max_abs <= 1.01 * step, error


def snr(actual: torch.Tensor, expected: torch.Tensor) -> float:
    error = (actual - expected).square().mean().clamp(min=1e-20)
    return (10 * torch.log10(expected.square().mean() / error)).item()
