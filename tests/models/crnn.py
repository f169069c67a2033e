"""CRNN (Shi et al., 2015): convolutions, two bidirectional LSTMs and a linear layer read text."""

import torch
from torch import nn


class BidirectionalLSTM(nn.Module):
    def __init__(self, inp: int, hidden: int, out: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(inp, hidden, bidirectional=True)
        self.embedding = nn.Linear(hidden * 2, out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        recurrent, _ = self.rnn(x)
        steps, batch, hidden = recurrent.size()
        output = self.embedding(recurrent.view(steps * batch, hidden))
        return output.view(steps, batch, -1)


class CRNN(nn.Module):
    def __init__(self, num_classes: int = 37, width: float = 1.0, hidden: int = 256) -> None:
        super().__init__()
        c = [int(n * width) for n in (64, 128, 256, 256, 512, 512, 512)]

        def conv(index: int, kernel: int = 3, padding: int = 1, norm: bool = False):
            inp = c[index - 1] if index else 1
            layers: list[nn.Module] = [nn.Conv2d(inp, c[index], kernel, 1, padding)]
            if norm:
                layers.append(nn.BatchNorm2d(c[index]))
            return [*layers, nn.ReLU(True)]

        self.cnn = nn.Sequential(
            *conv(0),
            nn.MaxPool2d(2, 2),
            *conv(1),
            nn.MaxPool2d(2, 2),
            *conv(2, norm=True),
            *conv(3),
            nn.MaxPool2d((2, 2), (2, 1), (0, 1)),
            *conv(4, norm=True),
            *conv(5),
            nn.MaxPool2d((2, 2), (2, 1), (0, 1)),
            *conv(6, kernel=2, padding=0, norm=True),
        )
        self.rnn = nn.Sequential(
            BidirectionalLSTM(c[-1], hidden, hidden), BidirectionalLSTM(hidden, hidden, num_classes)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: [batch, 1, 32, width]; log probabilities [steps, batch, classes]."""
        conv = self.cnn(x)
        assert conv.size(2) == 1, "the height of the image must be 32"
        steps = conv.squeeze(2).permute(2, 0, 1)
        return nn.functional.log_softmax(self.rnn(steps), dim=2)
