"""Small networks with recurrent layers and embeddings, as people write them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

WORDS, FRAMES = "words", (2, 5, 6)


class Tagger(nn.Module):
    """Words -> embedding -> `rnn` -> tags."""

    def __init__(self, kind: type[nn.RNNBase], **kwargs) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.rnn = kind(8, 6, batch_first=True, **kwargs)
        width = (self.rnn.proj_size or 6) * (2 if self.rnn.bidirectional else 1)
        self.tags = nn.Linear(width, 5)

    def forward(self, x):
        return self.tags(self.rnn(self.embed(x))[0])


class LastState(nn.Module):
    """The last layer's state of both directions, and the cell states."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(6, 8, num_layers=2, bidirectional=True, batch_first=True)
        self.hidden, self.cell = nn.Linear(16, 5), nn.Linear(8, 3)

    def forward(self, x):
        _, (h, c) = self.rnn(x)
        return self.hidden(torch.cat([h[-2], h[-1]], 1)), self.cell(c[0])


class EncoderDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.GRU(6, 8, batch_first=True)
        self.decoder = nn.GRU(6, 8, batch_first=True)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        _, state = self.encoder(x)
        return self.fc(self.decoder(x.flip(1), state)[0])


class LearnedState(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(6, 8, num_layers=2, batch_first=True)
        self.state = nn.Parameter(torch.randn(2, 1, 8))
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        return self.fc(self.rnn(x, self.state.repeat(1, x.shape[0], 1))[0])


class LearnedMemory(nn.Module):
    """An LSTM's cell state that does not start at zero where nothing else is left."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(6, 8, batch_first=True)
        self.h, self.c = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(8))
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        c = torch.sigmoid(self.c).expand(1, x.shape[0], -1).contiguous()
        return self.fc(self.rnn(x, (self.h.expand(1, x.shape[0], -1).contiguous(), c))[0])


class Cells(nn.Module):
    """Cells called in a loop."""

    def __init__(self, kind: type[nn.RNNCellBase], **kwargs) -> None:
        super().__init__()
        self.cell, self.fc = kind(6, 8, **kwargs), nn.Linear(8, 4)

    def forward(self, x):
        state, outputs = None, []
        for step in x.unbind(1):
            state = self.cell(step, state)
            outputs.append(self.fc(state[0] if isinstance(state, tuple) else state))
        return torch.stack(outputs, 1)


class StackedCells(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.LSTMCell(6, 8), nn.GRUCell(8, 6)
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        h, c = x.new_zeros(x.shape[0], 8), x.new_zeros(x.shape[0], 8)
        s = None
        for step in x.unbind(1):
            h, c = self.a(step, (h, c))
            s = self.b(torch.tanh(h), s)
        return self.fc(s)


class StreamState(nn.Module):
    """The state is an input and an output: only what is before and after can shrink."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.before = nn.Embedding(20, 8), nn.Linear(8, 12)
        self.rnn = nn.GRU(12, 6, batch_first=True)
        self.after, self.fc = nn.Linear(6, 12), nn.Linear(12, 4)

    def forward(self, x):
        state = self.embed(x).new_ones(1, x.shape[0], 6)
        y, state = self.rnn(F.relu(self.before(self.embed(x))), state.sum(0, keepdim=True))
        return self.fc(F.relu(self.after(y))), state


class ConvRecurrent(nn.Module):
    """Features of a map become a sequence, as in text recognition."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(6, 12, 3, padding=1), nn.BatchNorm1d(12)
        self.rnn = nn.LSTM(12, 8, bidirectional=True)
        self.second = nn.LSTM(16, 6)
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x.transpose(1, 2))))
        x, _ = self.rnn(x.permute(2, 0, 1))
        return self.fc(F.gelu(self.second(x)[0]))


class SharedRecurrent(nn.Module):
    """One layer reads two sequences, the second twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.rnn, self.fc = nn.Linear(6, 8), nn.RNN(8, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, x):
        x = self.a(x)
        y, _ = self.rnn(x)
        z, _ = self.rnn(y)
        return self.fc(z - x)


class SummedEmbeddings(nn.Module):
    """Two tables added, the words' one also the output projection."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(20, 12, padding_idx=0), nn.Embedding(5, 12)
        self.mix = nn.Linear(12, 12)

    def forward(self, x):
        y = self.words(x) + self.places(torch.arange(x.shape[1]))
        return F.linear(y + F.relu(self.mix(y)), self.words.weight)


def _tagger(kind: type[nn.RNNBase], **kwargs) -> Callable[[], nn.Module]:
    return lambda: Tagger(kind, **kwargs)


def _cells(kind: type[nn.RNNCellBase], **kwargs) -> Callable[[], nn.Module]:
    return lambda: Cells(kind, **kwargs)


RECURRENT: dict[str, tuple[Callable[[], nn.Module], str | tuple[int, ...]]] = {
    "lstm": (_tagger(nn.LSTM), WORDS),
    "lstm_no_bias": (_tagger(nn.LSTM, bias=False), WORDS),
    "lstm_bidirectional": (_tagger(nn.LSTM, bidirectional=True), WORDS),
    "lstm_stacked": (_tagger(nn.LSTM, num_layers=3), WORDS),
    "lstm_projected": (_tagger(nn.LSTM, proj_size=4, num_layers=2, bidirectional=True), WORDS),
    "gru_bidirectional": (_tagger(nn.GRU, num_layers=2, bidirectional=True), WORDS),
    "rnn_relu": (_tagger(nn.RNN, nonlinearity="relu", num_layers=2), WORDS),
    "lstm_cells": (_cells(nn.LSTMCell), FRAMES),
    "gru_cells": (_cells(nn.GRUCell, bias=False), FRAMES),
    "rnn_cells": (_cells(nn.RNNCell, nonlinearity="relu"), FRAMES),
    "last_state": (LastState, FRAMES),
    "encoder_decoder": (EncoderDecoder, FRAMES),
    "learned_state": (LearnedState, FRAMES),
    "learned_memory": (LearnedMemory, FRAMES),
    "stacked_cells": (StackedCells, FRAMES),
    "stream_state": (StreamState, WORDS),
    "conv_recurrent": (ConvRecurrent, FRAMES),
    "shared": (SharedRecurrent, FRAMES),
    "summed_embeddings": (SummedEmbeddings, WORDS),
}
GENERATED = {"stacked_cells"}
"""Those whose code has the hidden size written into it."""
