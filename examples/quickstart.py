"""From a trained PyTorch model to a pruned, quantized, verified .tflite file, in about a minute.

Trains a small residual network on scikit-learn's digits, prunes 60 % of its FLOPs, finetunes it,
trains it with quantization in the loop, converts it, and runs every file in LiteRT.

    make quickstart        or        python examples/quickstart.py [--out DIRECTORY]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

from tinyml import ModelCost, OneShotChannelPruner, QATQuantizer, TFLiteConverter


def conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    padding = kernel // 2
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv_bn(channels, channels, 3)
        self.conv2 = conv_bn(channels, channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x + self.conv2(functional.relu(self.conv1(x))))


class DepthwiseBlock(nn.Module):
    """A depthwise and a pointwise convolution, as in MobileNet."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise = conv_bn(inputs, inputs, 3, stride, groups=inputs)
        self.pointwise = conv_bn(inputs, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.pointwise(functional.relu(self.depthwise(x))))


class DigitsNet(nn.Module):
    """A small residual and depthwise network for 8x8 images of digits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(1, 32, 3)
        self.block1 = ResidualBlock(32)
        self.block2 = DepthwiseBlock(32, 64, stride=2)
        self.block3 = ResidualBlock(64)
        self.block4 = DepthwiseBlock(64, 128, stride=2)
        self.classifier = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.stem(x))
        x = self.block4(self.block3(self.block2(self.block1(x))))
        return self.classifier(x.mean((2, 3)))


class Digits:
    """The data: 1,797 images of 8x8 pixels, 40 % of them kept for the test."""

    def __init__(self) -> None:
        digits = load_digits()
        images = (digits.images[:, None] / 16.0).astype(np.float32)
        split = train_test_split(images, digits.target, test_size=0.4, random_state=0)
        self.train_x, self.test_x = torch.from_numpy(split[0]), torch.from_numpy(split[1])
        self.train_y, self.test_y = torch.from_numpy(split[2]), torch.from_numpy(split[3])

    def train(self, model: nn.Module, epochs: int, learning_rate: float) -> None:
        """Trains in place; the same loop serves the float, the pruned and the QAT model."""
        optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=0.01)
        batches = (len(self.train_x) + 63) // 64
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, epochs * batches)
        model.train()
        for _ in range(epochs):
            for batch in torch.randperm(len(self.train_x)).split(64):
                loss = functional.cross_entropy(model(self.train_x[batch]), self.train_y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        model.eval()


def run_tflite(path: Path, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Accuracy of a .tflite file in LiteRT, and its median latency in microseconds."""
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    entry, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    correct, times = 0, []
    for image, label in zip(images, labels, strict=True):
        interpreter.set_tensor(entry["index"], image[None])
        start = time.perf_counter()
        interpreter.invoke()
        times.append(time.perf_counter() - start)
        correct += int(interpreter.get_tensor(result["index"]).argmax() == label)
    return correct / len(labels), float(np.median(times)) * 1e6


@dataclass
class Row:
    """One line of the table."""

    name: str
    accuracy: float
    parameters: int
    macs: int
    size: int
    latency: float

    def __str__(self) -> str:
        return (
            f"{self.name:16}{self.accuracy:9.2%}{self.parameters:12,}{self.macs:12,}"
            f"{self.size / 1024:8.1f} kB{self.latency:8.1f} us"
        )


HEADER = f"{'':16}{'accuracy':>9}{'parameters':>12}{'MACs':>12}{'file':>11}{'latency':>11}"


def compress(out: Path) -> list[Row]:
    """The whole pipeline; the files go to `out`."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # so small a network is fastest on one
    out.mkdir(parents=True, exist_ok=True)
    digits, model = Digits(), DigitsNet()
    dummy_input = digits.train_x[:1]
    images = digits.test_x.permute(0, 2, 3, 1).contiguous().numpy()  # the files take NHWC

    def measure(name: str, path: Path, cost: ModelCost) -> Row:
        accuracy, latency = run_tflite(path, images, digits.test_y.numpy())
        return Row(name, accuracy, cost.parameters, cost.macs, path.stat().st_size, latency)

    print("training the original ...", flush=True)
    digits.train(model, epochs=12, learning_rate=0.01)
    TFLiteConverter(model, dummy_input, tflite_path=out / "model.tflite").convert()

    print("pruning 60 % of its FLOPs and finetuning ...", flush=True)
    pruner = OneShotChannelPruner(model, dummy_input, {"target": {"flops": 0.4}})
    pruner.prune()
    digits.train(model, epochs=8, learning_rate=0.005)
    TFLiteConverter(model, dummy_input, tflite_path=out / "pruned.tflite").convert()

    print("training with quantization in the loop ...", flush=True)
    quantizer = QATQuantizer(model, dummy_input, work_dir=out)
    qat_model = quantizer.quantize()
    digits.train(qat_model, epochs=5, learning_rate=0.001)
    TFLiteConverter(qat_model, dummy_input, tflite_path=out / "pruned_int8.tflite").convert()

    cost = pruner.calc_flops()
    return [
        measure("original", out / "model.tflite", cost.before),
        measure("pruned", out / "pruned.tflite", cost.after),
        measure("pruned + int8", out / "pruned_int8.tflite", cost.after),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/quickstart"))
    out: Path = parser.parse_args().out
    rows = compress(out)
    print("", HEADER, *rows, sep="\n")
    print(f"\nThe .tflite files and the generated model code lie in {out}/:")
    for path in sorted(out.iterdir()):
        print(f"  {path}")


if __name__ == "__main__":
    main()
