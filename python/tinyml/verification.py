"""Runs a .tflite file in LiteRT and compares it with PyTorch."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyml._core import Error

Array = npt.NDArray[Any]
KERNELS = ("xnnpack", "builtin", "reference")


@dataclass(frozen=True)
class OutputError:
    """How far one output of the file is from PyTorch's."""

    name: str
    max_abs: float
    """Largest absolute difference."""
    relative: float
    """`max_abs` over the range (maximum - minimum) of PyTorch's output."""
    snr_db: float
    """Energy of PyTorch's output over that of the difference, in decibels; inf when equal."""

    def __str__(self) -> str:
        return (
            f"{self.name}: max error {self.max_abs:.3g} "
            f"({100 * self.relative:.3g} % of the range), SNR {self.snr_db:.1f} dB"
        )


def measure_error(name: str, expected: Array, actual: Array) -> OutputError:
    """Compare an output with PyTorch's; both of the same shape."""
    if expected.shape != actual.shape:
        raise Error(f"output {name}: shape {actual.shape} instead of {expected.shape}")
    reference = expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.where(
            (reference == actual) | (np.isnan(reference) & np.isnan(actual)),
            0.0,
            reference - actual.astype(np.float64),
        )
    if not difference.size:
        return OutputError(name, 0.0, 0.0, float("inf"))
    finite = reference[np.isfinite(reference)]
    max_abs = float(np.max(np.abs(difference)))
    spread = float(finite.max() - finite.min()) if finite.size else 0.0
    spread = spread or (float(np.max(np.abs(finite))) if finite.size else 0.0) or 1.0
    noise, signal = float(np.sum(difference**2)), float(np.sum(finite**2))
    if noise == 0:
        snr = float("inf")
    else:
        snr = 10 * float(np.log10(signal / noise)) if signal > 0 else float("-inf")
    return OutputError(name, max_abs, max_abs / spread, snr)


def run_tflite(
    model: str | bytes,
    inputs: Sequence[Array],
    *,
    input_orders: Sequence[Sequence[int]] = (),
    output_orders: Sequence[Sequence[int]] = (),
    kernels: str = "xnnpack",
) -> list[Array]:
    """Run a .tflite file (path or contents) on PyTorch's inputs and return PyTorch's outputs.

    Orders say which dimension of the PyTorch tensor each dimension of the file's is, as the
    converter reports them. Floats are quantized for integer inputs and integers dequantized for
    quantized outputs. `kernels`: "xnnpack", "builtin" or "reference".
    """
    interpreter = _make_interpreter(model, kernels)
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    if len(details) != len(inputs):
        raise Error(f"the file has {len(details)} inputs, {len(inputs)} were given")
    for index, (detail, value) in enumerate(zip(details, inputs, strict=True)):
        order = input_orders[index] if input_orders else range(value.ndim)
        value = np.array(np.transpose(value, order), order="C")
        interpreter.set_tensor(detail["index"], _quantize(value, detail))
    interpreter.invoke()
    outputs = []
    for index, detail in enumerate(interpreter.get_output_details()):
        value = _dequantize(interpreter.get_tensor(detail["index"]), detail)
        order = output_orders[index] if output_orders else range(value.ndim)
        outputs.append(np.transpose(value, np.argsort(order)) if value.ndim else value)
    return outputs


def _make_interpreter(model: str | bytes, kernels: str) -> Any:
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise Error(
            "LiteRT is not installed, so the file cannot be run: pip install ai-edge-litert"
        )
    from ai_edge_litert import interpreter as litert

    resolver = {
        "xnnpack": litert.OpResolverType.AUTO,
        "builtin": litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": litert.OpResolverType.BUILTIN_REF,
    }
    if kernels not in resolver:
        raise Error(f"'{kernels}' are no kernels of LiteRT; use one of {', '.join(KERNELS)}")
    source: Mapping[str, Any] = (
        {"model_content": model} if isinstance(model, bytes) else {"model_path": model}
    )
    return litert.Interpreter(
        **source, num_threads=1, experimental_op_resolver_type=resolver[kernels]
    )


def _quantize(value: Array, detail: Mapping[str, Any]) -> Array:
    dtype, (scale, zero_point) = detail["dtype"], detail["quantization"]
    if scale and np.issubdtype(value.dtype, np.floating) and np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        value = np.clip(np.round(value / scale) + zero_point, limits.min, limits.max)
    return value.astype(dtype)


def _dequantize(value: Array, detail: Mapping[str, Any]) -> Array:
    scale, zero_point = detail["quantization"]
    if not scale or not np.issubdtype(value.dtype, np.integer):
        return value
    return (value.astype(np.float32) - zero_point) * np.float32(scale)
