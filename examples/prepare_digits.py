"""Writes what end_to_end.cpp starts from: scikit-learn's digits and an untrained, exported network.

python examples/prepare_digits.py DIRECTORY
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional


def conv_bn(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class DigitsNet(nn.Module):
    """A stem, two residual blocks and a linear classifier for 8x8 images."""

    def __init__(self, channels: int = 24) -> None:
        super().__init__()
        self.stem = conv_bn(1, channels)
        self.block1 = nn.ModuleList([conv_bn(channels, channels) for _ in range(2)])
        self.down = conv_bn(channels, 2 * channels, stride=2)
        self.block2 = nn.ModuleList([conv_bn(2 * channels, 2 * channels) for _ in range(2)])
        self.classifier = nn.Linear(2 * channels, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.stem(x))
        x = functional.relu(x + self.block1[1](functional.relu(self.block1[0](x))))
        x = functional.relu(self.down(x))
        x = functional.relu(x + self.block2[1](functional.relu(self.block2[0](x))))
        return self.classifier(x.mean((2, 3)))


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    images = (digits.images[:, None] / 16.0).astype(np.float32)
    labels = digits.target.astype(np.int64)
    split = train_test_split(images, labels, test_size=0.4, random_state=0)
    for name, array in zip(("train_x", "test_x", "train_y", "test_y"), split, strict=True):
        np.save(folder / f"{name}.npy", array)
    torch.manual_seed(0)
    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.export.export(
        DigitsNet().eval(), (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: batch},)
    )
    torch.export.save(program, folder / "digits.pt2")


if __name__ == "__main__":
    main()
