"""Time and size of the forms of LSTM and GRU layers, side by side (one thread, XNNPACK).

PYTHONPATH=build/python .venv/bin/python bench/recurrent_forms.py [--steps 50] [--rounds 60]
"""

import argparse
import time
import warnings

import torch
from torch import nn

import tinyml
from tinyml import _core
from tinyml.verification import _make_interpreter


class Sequence(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    runs = []
    for layer in (nn.LSTM(32, 64), nn.GRU(32, 64), nn.LSTM(32, 64, bidirectional=True)):
        graph = tinyml.trace(Sequence(layer), torch.randn(arguments.steps, 1, 32))
        for form in ("unrolled", "fused", "while"):
            if form == "fused" and isinstance(layer, nn.GRU):
                continue
            result = _core.convert(graph, recurrent=form)
            content = result.to_bytes()
            interpreter = _make_interpreter(content, "xnnpack")
            interpreter.allocate_tensors()
            count = sum(result.operators.values())
            runs.append([f"{layer} {form}", count, len(content), interpreter, float("inf")])
    for _ in range(arguments.rounds):  # in turns, so that a disturbance meets all alike
        for run in runs:
            for _ in range(5):
                start = time.thread_time_ns()
                run[3].invoke()
                run[4] = min(run[4], (time.thread_time_ns() - start) / 1e6)
    for name, count, size, _, best in runs:
        print(f"{name:45s} {best:.4f} ms  {count:5d} operators  {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
