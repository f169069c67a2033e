"""Accuracy of trained networks as written int8 files: post-training and quantization-aware.

    PYTHONPATH=build/python .venv/bin/python bench/quantization/trained.py digits
    PYTHONPATH=build/python .venv/bin/python bench/quantization/trained.py cifar10 \\
        --data cifar10_jpg.npz --weights resnet8.pt

Every figure but the float one is the accuracy of the .tflite file on the whole test set, in LiteRT
on the kernels named; then the share of its integer outputs that are the fake-quantized module's,
and of those at most one step away, without and with simulate_kernels(). CIFAR-10: ResNet8, whose
float weights are trained first where --weights has none. Both trainings have a budget of CPU
seconds.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pruning"))

from models import ResNet8

import tinyml
from tinyml import PostQuantizer, QATQuantizer, _core, simulate_kernels
from tinyml.nn import QATSchedule
from tinyml.verification import _dequantize, _make_interpreter, _quantize

Batches = Callable[[torch.Generator], tuple[torch.Tensor, torch.Tensor]]


Shares = tuple[float, float]


@dataclass
class Task:
    """A trained network and its data, normalized."""

    model: nn.Module
    batches: Batches  # draws a batch for training
    calibration: list[torch.Tensor]
    test: torch.Tensor
    labels: torch.Tensor
    rate: float  # at which quantization-aware training starts


class DigitNet(nn.Module):
    """Three convolutions, one of them with a residual, for 8x8 digits."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.deep = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16))
        self.last = nn.Sequential(nn.Conv2d(16, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU())
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        x = torch.relu(self.deep(x) + x)
        return self.head(self.last(x).mean((2, 3)))


def train(model: nn.Module, task: Task, steps: int, rate: float, seed: int) -> nn.Module:
    """SGD with a rate that falls linearly to nothing; FakeQuants freeze by QATSchedule."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=rate, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = QATSchedule(model, steps) if hasattr(model, "fq_x") else None
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps)
        images, labels = task.batches(generator)
        loss = F.cross_entropy(model(images), labels, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return model.eval()


def digits(arguments: argparse.Namespace) -> Task:
    from sklearn.datasets import load_digits

    data = load_digits()
    x = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    y = torch.tensor(data.target)

    def batches(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        index = torch.randint(0, 1300, (64,), generator=generator)
        return x[index], y[index]

    torch.manual_seed(arguments.seed)
    task = Task(DigitNet(), batches, list(x[:512].split(16)), x[1300:], y[1300:], 0.01)
    train(task.model, task, 1500, 0.1, arguments.seed)
    return task


def cifar10(arguments: argparse.Namespace) -> Task:
    from data import Cifar, normalize
    from trainer import Trainer

    if arguments.data is None or arguments.weights is None:
        raise SystemExit("cifar10 needs --data and --weights")
    data = Cifar(arguments.data, arguments.cache)
    torch.manual_seed(arguments.seed)
    model = ResNet8()
    if not arguments.weights.exists():
        Trainer(data, arguments.seconds, arguments.seed).run(model, 1.0)
        torch.save(model.state_dict(), arguments.weights)
    model.load_state_dict(torch.load(arguments.weights))

    def batches(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = data.batch(generator, 128)
        return images.contiguous(), labels

    calibration = list(normalize(data.train[:512]).split(16))
    return Task(model, batches, calibration, normalize(data.test), data.test_labels, 0.01)


def float_accuracy(model: nn.Module, task: Task) -> float:
    """In percent, of the module in PyTorch."""
    model.eval()
    with torch.no_grad():
        found = torch.cat([model(part).argmax(1) for part in task.test.split(500)])
    return 100 * float((found == task.labels).float().mean())


def measure_file(module: nn.Module, task: Task, kernels: str) -> tuple[float, Shares, Shares]:
    """The written file's accuracy in percent, and its shares() of the module as it is and of the
    module that simulates the kernels."""
    batch = next(size for size in (100, 71, 7, 1) if len(task.test) % size == 0)
    graph = tinyml.trace(module, task.test[:batch])
    file = _core.convert(graph, quantize_input_output_type="int8")
    content = file.to_bytes()
    interpreter = _make_interpreter(content, kernels)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for images in task.test.split(batch):
        value = np.ascontiguousarray(np.transpose(images.numpy(), file.input_orders[0]))
        interpreter.set_tensor(taken["index"], _quantize(value, taken))
        interpreter.invoke()
        found.append(_dequantize(interpreter.get_tensor(given["index"]), given))
    logits, step = np.concatenate(found), given["quantization"][0]
    right = int((logits.argmax(1) == task.labels.numpy()).sum())
    plain = shares(logits, module, task.test.split(batch), step)
    simulate_kernels(module, kernels=kernels, graph=graph, tflite=content)
    simulated = shares(logits, module, task.test.split(batch), step)
    simulate_kernels(module, kernels=None)
    return 100 * right / len(logits), plain, simulated


def shares(logits: np.ndarray, module: nn.Module, batches: Sequence[Tensor], step: float) -> Shares:
    """Percent of the outputs that are the module's, and that are at most one step away."""
    with torch.no_grad():
        expected = np.concatenate([module(images).numpy() for images in batches])
    steps = np.abs(logits - expected) / step
    return 100 * float((steps < 0.5).mean()), 100 * float((steps < 1.5).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=["digits", "cifar10"])
    parser.add_argument("--data", type=Path, help="cifar10_jpg.npz")
    parser.add_argument("--weights", type=Path, help="of the float ResNet8; written if missing")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/tinyml-cifar10"))
    parser.add_argument("--seconds", type=float, default=300, help="CPU time of float training")
    parser.add_argument("--steps", type=int, default=600, help="of quantization-aware training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kernels", nargs="*", default=["xnnpack"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    task = {"digits": digits, "cifar10": cifar10}[arguments.task](arguments)
    reference = float_accuracy(task.model, task)
    print(f"float {reference:.2f} %", flush=True)

    def show(what: str, module: nn.Module) -> None:
        for kernels in arguments.kernels:
            found, (equal, near), (same, next_to) = measure_file(module, task, kernels)
            print(
                f"{what}, {kernels}: {found:.2f} % ({found - reference:+.2f}); outputs equal to the"
                f" module's {equal:.2f} %, within a step {near:.2f} %; to the module's that"
                f" simulates the kernels {same:.2f} %, {next_to:.2f} %",
                flush=True,
            )

    with tempfile.TemporaryDirectory() as folder:
        dummy = task.calibration[0]
        for algorithm in ("mse", "min_max"):
            quantizer = PostQuantizer(task.model, dummy, folder, {"algorithm": algorithm})
            show(f"post-training, {algorithm}", quantizer.calibrate(task.calibration))
        tuned = train(copy.deepcopy(task.model), task, arguments.steps, task.rate, arguments.seed)
        print(f"float, trained on for as long: {float_accuracy(tuned, task):.2f} %", flush=True)
        quantizer = QATQuantizer(task.model, dummy, folder)
        train(quantizer.quantize(), task, arguments.steps, task.rate, arguments.seed)
        show("quantization-aware", quantizer.convert())


if __name__ == "__main__":
    main()
