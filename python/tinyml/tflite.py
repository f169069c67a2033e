"""Work on .tflite files of any origin: describe, optimise, verify."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyml._core import Error, Graph, TFLiteModel, tflite_violations
from tinyml.verification import OutputError, measure_error, run_tflite

if TYPE_CHECKING:
    import torch
    from torch import nn

_CHANNELS_LAST = [0, 2, 3, 1]


def info(path: str | os.PathLike[str]) -> TFLiteModel:
    """What is in a file: inputs, outputs, signatures, operators, sizes, costs."""
    return TFLiteModel.read(os.fspath(path))


def optimize(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> dict[str, int]:
    """Apply every pass of the converter to a file; returns the operators of the new one.

    Inputs, outputs, signatures, metadata and operators that are not known here stay as they are.
    """
    model = TFLiteModel.read(os.fspath(source))
    model.optimize()
    model.write(os.fspath(target))
    return model.operators


def verify(
    path: str | os.PathLike[str],
    against: nn.Module | Callable[..., Any] | Graph | str | os.PathLike[str] | None = None,
    inputs: Any = None,
    *,
    tolerance: float = 1e-3,
    min_snr_db: float = 20.0,
    kernels: str = "xnnpack",
) -> list[OutputError]:
    """Check a file by the format's rules and, with `against`, its numbers in LiteRT.

    against: the model that the file was made from. It runs on `inputs` (a tensor or the arguments;
        random values for an archive) in PyTorch, the file in LiteRT.
    tolerance: of float files, the largest error over the output's range.
    min_snr_db: of files with a scale, the least signal-to-noise ratio.

    Returns one entry for each output; raises tinyml.Error when something is wrong.
    """
    contents = Path(path).read_bytes()
    violations = tflite_violations(contents)
    if violations:
        raise Error(f"{os.fspath(path)} is not sound: " + "; ".join(violations))
    if against is None:
        return []
    expected, values = _run_model(against, inputs)
    model = TFLiteModel.from_bytes(contents)
    if len(model.inputs) != len(values) or len(model.outputs) < len(expected):
        raise Error(
            f"the file has {len(model.inputs)} inputs and {len(model.outputs)} outputs, the model "
            f"{len(values)} and {len(expected)}"
        )
    input_orders = [_order(t, v) for t, v in zip(model.inputs, values, strict=True)]
    output_orders = [_order(t, v) for t, v in zip(model.outputs, expected, strict=False)]
    output_orders += [list(range(len(t.shape))) for t in model.outputs[len(expected) :]]
    actual = run_tflite(
        contents, values, input_orders=input_orders, output_orders=output_orders, kernels=kernels
    )
    errors = [
        measure_error(tensor.name, reference, value)
        for tensor, reference, value in zip(model.outputs, expected, actual, strict=False)
    ]
    quantized = any(len(t.scale) for t in (*model.inputs, *model.outputs))
    quantized = quantized or "QUANTIZE" in model.operators or "DEQUANTIZE" in model.operators
    bad = [
        str(error)
        for error in errors
        if not (error.snr_db >= min_snr_db if quantized else error.relative <= tolerance)
    ]
    if bad:
        raise Error("the file is not the model, it is out of tolerance: " + "; ".join(bad))
    return errors


def _order(tensor: Any, value: np.ndarray[Any, Any]) -> list[int]:
    """Dimension i of the file's tensor is dimension order[i] of PyTorch's."""
    shape, identity = list(value.shape), list(range(value.ndim))
    if value.ndim == 4 and [shape[axis] for axis in _CHANNELS_LAST] == list(tensor.shape):
        return _CHANNELS_LAST
    if shape != list(tensor.shape):
        raise Error(f"'{tensor.name}' has the shape {tensor.shape} in the file, {shape} in PyTorch")
    return identity


def _run_model(model: Any, inputs: Any) -> tuple[list[Any], list[Any]]:
    import torch

    from tinyml.arguments import as_arguments
    from tinyml.callables import as_module, is_model

    if isinstance(model, Graph):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.pt2")
            model.save(path)
            return _run_model(path, inputs)
    if is_model(model):
        module = as_module(model)
        if inputs is None:
            raise Error("inputs are missing: the values to compare the outputs on")
        modes = [(part, part.training) for part in module.modules()]
        module.eval()
    else:
        program = torch.export.load(os.fspath(model))
        module, modes = program.module(), []
        if inputs is None:
            inputs = _random_inputs(program)
    args, kwargs = as_arguments(inputs)
    try:
        with torch.no_grad():
            outputs = module(*args, **kwargs)
    finally:
        for part, training in modes:
            part.training = training
    return _arrays(outputs), _arrays((args, kwargs))


def _random_inputs(program: torch.export.ExportedProgram) -> tuple[torch.Tensor, ...]:
    import torch

    wanted = set(program.graph_signature.user_inputs)
    values = [
        n.meta["val"] for n in program.graph.nodes if n.op == "placeholder" and n.name in wanted
    ]
    generator = torch.Generator().manual_seed(1)
    return tuple(
        torch.randn([int(size) for size in value.shape], generator=generator).to(value.dtype)
        if value.is_floating_point()
        else torch.zeros([int(size) for size in value.shape], dtype=value.dtype)
        for value in values
    )


def _arrays(value: Any) -> list[np.ndarray[Any, Any]]:
    from tinyml.nested import leaves

    return [leaf.detach().cpu().contiguous().numpy() for leaf in leaves(value)]
