"""Latency in LiteRT on this machine, and tables of it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from tinyml import _core
from tinyml._core import Error, Graph, LatencyTable
from tinyml.capture import trace
from tinyml.verification import _make_interpreter

__all__ = ["InTurns", "Latency", "LatencyTable", "measure_latency", "profile"]

Latency = Callable[[Graph], float] | LatencyTable
"""Seconds that one inference of a graph takes: a function that measures, or a table."""


def measure_latency(
    model: Graph | bytes | str | os.PathLike[str],
    *,
    least_seconds: float = 0.2,
    kernels: str = "xnnpack",
) -> float:
    """Seconds of one inference in LiteRT on one core: the fastest of many runs.

    Time of the thread that runs it, and the fastest: what else the machine does only ever adds.

    model: a Graph, which is converted, or a .tflite file (path or contents). Inputs are zeros.
    least_seconds: time to spend on runs; there are five at least.
    """
    if isinstance(model, Graph):
        model = _core.convert(model).to_bytes()
    return _fastest(_ready(model, kernels), 5, least_seconds)


class InTurns:
    """Seconds of one inference in LiteRT, told apart by percents on a busy machine as well.

    The first model is the reference. Others run in turns with it, and their time is the reference's
    first time multiplied by the ratio: a load that comes and goes, or a clock that changes, is in
    both. Takes twice `least_seconds` a model. What latency targets are measured by.
    """

    def __init__(self, *, least_seconds: float = 0.3, kernels: str = "xnnpack") -> None:
        self._least_seconds = least_seconds
        self._kernels = kernels
        self._reference: tuple[bytes, Any, float] | None = None

    def __call__(self, graph: Graph) -> float:
        model = _core.convert(graph).to_bytes()
        if self._reference is not None and model == self._reference[0]:
            return self._reference[2]
        interpreter = _ready(model, self._kernels)
        if self._reference is None:
            seconds = _fastest(interpreter, 5, 2 * self._least_seconds)
            self._reference = (model, interpreter, seconds)
            return seconds
        _, reference, seconds = self._reference
        own: list[float] = []
        other: list[float] = []
        begin = time.perf_counter()
        while len(own) < 8 or time.perf_counter() - begin < 2 * self._least_seconds:
            other.append(_fastest(reference, 2, _TURN))
            own.append(_fastest(interpreter, 2, _TURN))
        return seconds * min(own) / min(other)


_TURN = 0.005


def _ready(model: bytes | str | os.PathLike[str], kernels: str) -> Any:
    """An interpreter with its memory allocated and its caches filled."""
    interpreter = _make_interpreter(
        model if isinstance(model, bytes) else os.fspath(model), kernels
    )
    interpreter.allocate_tensors()
    interpreter.invoke()
    return interpreter


def _fastest(interpreter: Any, least_runs: int, least_seconds: float) -> float:
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < least_runs or time.perf_counter() - begin < least_seconds:
        start = time.thread_time()
        interpreter.invoke()
        times.append(time.thread_time() - start)
    return max(min(times), 1e-9)


def profile(
    model: nn.Module | Graph,
    dummy_input: Any = None,
    *,
    widths: Sequence[float] = (1.0, 0.75, 0.5, 0.25, 0.125),
    rounds: int = 8,
    multiple: int = 1,
    attention: str = "head_dim",
    measure: Callable[[bytes], float] = measure_latency,
    device: str = "",
) -> LatencyTable:
    """Measure every operator of a model in the shapes that pruning gives it.

    The table is for pruners (`latency=table`, or `latency_table: FILE` after `table.save(FILE)`).

    widths: shares of the channels at which all layers are measured, then `rounds` times each layer
        at a random one of them.
    multiple: keep multiples of so many channels.
    attention: "head_dim" or "heads", as the pruning configuration that the table is for.
    measure: from a .tflite file's contents to seconds, on the device; default LiteRT here.
    """
    if attention not in ("head_dim", "heads"):
        raise Error(f"attention is 'head_dim' or 'heads', not '{attention}'")
    graph = model if isinstance(model, Graph) else trace(model, dummy_input)
    heads = attention == "heads"
    table = _core.profile(graph, measure, list(widths), rounds, multiple, heads)
    table.device = device or f"{platform.system()} {platform.machine()}, LiteRT, one core"
    return table
