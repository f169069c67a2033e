"""Times .tflite files in LiteRT against each other: one thread, least CPU time of many runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import interpreter as litert

RESOLVERS = {
    "xnnpack": litert.OpResolverType.AUTO,
    "builtin": litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
}


def prepare(content: bytes, kernels: str = "xnnpack", seed: int = 0) -> Any:
    """An interpreter with random inputs in place, run once."""
    runner = litert.Interpreter(
        model_content=content, num_threads=1, experimental_op_resolver_type=RESOLVERS[kernels]
    )
    runner.allocate_tensors()
    rng = np.random.default_rng(seed)
    for detail in runner.get_input_details():
        if np.issubdtype(detail["dtype"], np.floating):
            value = rng.standard_normal(detail["shape"]).astype(detail["dtype"])
        else:
            value = rng.integers(0, 100, detail["shape"]).astype(detail["dtype"])
        runner.set_tensor(detail["index"], value)
    runner.invoke()
    return runner


def measure(runners: Sequence[Any], seconds: float = 2.0, least: int = 5) -> list[float]:
    """Milliseconds of each, measured in turns so that all meet the same disturbances."""
    best = [float("inf")] * len(runners)
    end = time.monotonic() + seconds
    rounds = 0
    while rounds < least or time.monotonic() < end:
        for index, runner in enumerate(runners):
            start = time.thread_time_ns()
            runner.invoke()
            best[index] = min(best[index], time.thread_time_ns() - start)
        rounds += 1
    return [value / 1e6 for value in best]
