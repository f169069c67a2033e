"""A temporal convolutional network (Bai et al., 2018): causal dilated Conv1d with weight norm."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm


class Chomp1d(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, : -self.size].contiguous()


class TemporalBlock(nn.Module):
    def __init__(self, inp: int, out: int, kernel: int, dilation: int) -> None:
        super().__init__()
        padding = (kernel - 1) * dilation
        self.conv1 = weight_norm(nn.Conv1d(inp, out, kernel, padding=padding, dilation=dilation))
        self.conv2 = weight_norm(nn.Conv1d(out, out, kernel, padding=padding, dilation=dilation))
        self.chomp = Chomp1d(padding)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.2)
        self.downsample = nn.Conv1d(inp, out, 1) if inp != out else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.dropout(self.relu(self.chomp(self.conv1(x))))
        y = self.dropout(self.relu(self.chomp(self.conv2(y))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class TCN(nn.Module):
    """The sequential-MNIST size by default; classifies from the last step."""

    def __init__(
        self,
        inputs: int = 1,
        num_classes: int = 10,
        channels: tuple[int, ...] = (25,) * 8,
        kernel: int = 7,
    ) -> None:
        super().__init__()
        widths = [inputs, *channels]
        self.network = nn.Sequential(
            *[
                TemporalBlock(inp, out, kernel, 2**index)
                for index, (inp, out) in enumerate(pairwise(widths))
            ]
        )
        self.linear = nn.Linear(channels[-1], num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.network(x)
        return nn.functional.log_softmax(self.linear(y[:, :, -1]), dim=1)
