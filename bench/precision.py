"""Time, size and accuracy of float32, float16 weights and dynamic range, side by side.

    PYTHONPATH=build/python .venv/bin/python bench/precision.py [--rounds 60] [--kernels xnnpack]

One thread; the least thread-CPU time of many runs; the signal-to-noise ratio against PyTorch.
"""

import argparse
import time
import warnings

import torch
from torch import nn

import tinyml
from tinyml import _core
from tinyml.verification import _make_interpreter, measure_error, run_tflite


class First(nn.Module):
    """The first result of a recurrent layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


MODELS = {
    "Conv2d 3x3, 64 to 64, 28x28": (nn.Conv2d(64, 64, 3, padding=1), (1, 64, 28, 28)),
    "Conv2d 1x1, 64 to 128, 28x28": (nn.Conv2d(64, 128, 1), (1, 64, 28, 28)),
    "depthwise 5x5, 96, 28x28": (nn.Conv2d(96, 96, 5, padding=2, groups=96), (1, 96, 28, 28)),
    "ConvTranspose2d 3x3 stride 2, 32": (nn.ConvTranspose2d(32, 32, 3, 2), (1, 32, 14, 14)),
    "Linear 192 to 192, 197 rows": (nn.Linear(192, 192), (197, 192)),
    "Linear 512 to 512, one row": (nn.Linear(512, 512), (1, 512)),
    "LSTM 32 to 64, 50 steps": (First(nn.LSTM(32, 64)), (50, 1, 32)),
    "GRU 32 to 64, 50 steps": (First(nn.GRU(32, 64)), (50, 1, 32)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--kernels", default="xnnpack")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, (model, shape) in MODELS.items():
        torch.manual_seed(0)
        x = torch.randn(shape)
        graph = tinyml.trace(model, (x,))
        with torch.no_grad():
            expected = model(x).numpy()
        runs = []
        for precision in ("float32", "float16", "dynamic_range"):
            result = _core.convert(graph, precision=precision)
            content = result.to_bytes()
            [actual] = run_tflite(
                content,
                [x.numpy()],
                input_orders=result.input_orders,
                output_orders=result.output_orders,
                kernels=arguments.kernels,
            )
            error = measure_error(precision, expected, actual)
            interpreter = _make_interpreter(content, arguments.kernels)
            interpreter.allocate_tensors()
            runs.append([precision, interpreter, len(content), error.snr_db, float("inf")])
        for _ in range(arguments.rounds):  # in turns, so that a disturbance meets all alike
            for run in runs:
                start = time.thread_time_ns()
                run[1].invoke()
                run[4] = min(run[4], (time.thread_time_ns() - start) / 1e6)
        for precision, _, size, snr, best in runs:
            print(f"{name:34s} {precision:14s} {best:.4f} ms {size / 1000:8.1f} kB {snr:6.1f} dB")


if __name__ == "__main__":
    main()
