"""Cost of a training step with quantization and of a calibration pass, against the float model's.

    PYTHONPATH=build/python .venv/bin/python bench/quantization/qat_step.py [--network mobilenet_v2]

CPU time of one thread; float and quantized take turns in one process, the least round counts.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from models import DEPLOYED, ZOO

from tinyml import PostQuantizer, QATQuantizer


def training_step(model: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """Forward, backward and update; the loss is the mean square."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    return step


def inference(model: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            model(x)

    return run


def in_turns(first: Callable[[], None], second: Callable[[], None], rounds: int) -> list[float]:
    """Least CPU seconds of each."""
    least = [float("inf")] * 2
    first(), second()
    for _ in range(rounds):
        for i, run in enumerate((first, second)):
            start = time.process_time()
            run()
            least[i] = min(least[i], time.process_time() - start)
    return least


def report(what: str, seconds: list[float]) -> None:
    plain, quantized = seconds
    print(f"{what}: float {plain:.3f} s, quantized {quantized:.3f} s, {quantized / plain:.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="mobilenet_v2")
    parser.add_argument("--batch", type=int, action="append")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--algorithm", action="append", help="of the calibration pass")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    entry = {**ZOO, **DEPLOYED}[arguments.network]
    for batch in arguments.batch or [8, 32]:
        model = entry.build()
        x = torch.randn(batch, *entry.full_shape[1:])
        with tempfile.TemporaryDirectory() as folder:
            trained = QATQuantizer(model, x, folder).quantize()
            steps = training_step(copy.deepcopy(model), x), training_step(trained, x)
            report(f"training, batch {batch}", in_turns(*steps, arguments.rounds))
            for algorithm in arguments.algorithm or ["mse", "min_max"]:
                quantizer = PostQuantizer(model, x, folder, {"algorithm": algorithm})
                passes = inference(model.eval(), x), inference(quantizer.quantize(), x)
                report(
                    f"calibration, {algorithm}, batch {batch}", in_turns(*passes, arguments.rounds)
                )


if __name__ == "__main__":
    main()
