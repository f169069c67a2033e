"""Types and normalisation of a file's inputs and outputs: options of TFLiteConverter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyml._core import Error

BoundaryOption = str | Sequence[str | None] | Mapping[str, str | None] | None
Numbers = float | Sequence[float]
StatisticsOption = (
    tuple[Numbers, Numbers]
    | Sequence[tuple[Numbers, Numbers] | None]
    | Mapping[str, tuple[Numbers, Numbers]]
    | None
)
Statistics = dict[str, tuple[list[float], list[float]]]


def resolve_types(
    option: BoundaryOption, inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[str, dict[str, str]]:
    """The type of all inputs and outputs, and the exceptions by name.

    option: a type for all; a list with one type for each input, then each output; or name -> type.
    """
    if option is None or isinstance(option, str):
        return option or "float32", {}
    if isinstance(option, Mapping):
        return "float32", {name: kind or "float32" for name, kind in option.items()}
    names = [*inputs, *outputs]
    if len(option) != len(names):
        raise Error(
            f"quantize_input_output_type lists {len(option)} types for {len(inputs)} inputs and "
            f"{len(outputs)} outputs ({', '.join(names)})"
        )
    return "float32", {name: kind or "float32" for name, kind in zip(names, option, strict=True)}


def resolve_statistics(option: StatisticsOption, inputs: Sequence[str]) -> Statistics:
    """name -> (mean, std), each a list of one number or one for each channel.

    option: a pair for the only input, a list with a pair or None for each input, or name -> pair.
    """
    if option is None:
        return {}
    if isinstance(option, Mapping):
        return {name: _pair(name, value) for name, value in option.items()}
    if isinstance(option, tuple) and len(option) == 2 and len(inputs) == 1:
        return {inputs[0]: _pair(inputs[0], option)}
    if len(option) != len(inputs):
        raise Error(
            f"input_statistics has {len(option)} entries for the inputs {', '.join(inputs)}: give "
            "a (mean, std) or None for each"
        )
    return {
        name: _pair(name, value)
        for name, value in zip(inputs, option, strict=True)
        if value is not None
    }


def _pair(name: str, value: Any) -> tuple[list[float], list[float]]:
    try:
        mean, std = value
        mean, std = (np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in (mean, std))
    except (TypeError, ValueError):
        raise Error(f"the statistics of the input '{name}' are no (mean, std): {value}") from None
    return mean.tolist(), std.tolist()


def raw_input(
    value: npt.NDArray[Any], statistics: tuple[list[float], list[float]], kind: str
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """What the file takes for a model's input, and what the model gets from that."""
    shape = [-1 if axis == 1 else 1 for axis in range(value.ndim)]
    mean, std = (
        np.asarray(part, np.float32).reshape(shape if len(part) > 1 else [1] * value.ndim)
        for part in statistics
    )
    raw = value * std + mean
    if kind in ("uint8", "int8"):
        raw = np.clip(np.round(raw), 0, 255)
    back = ((raw - mean) / std).astype(np.float32)
    if kind == "int8":
        return (raw - 128).astype(np.int8), back
    return raw.astype(np.uint8 if kind == "uint8" else np.float32), back
