"""Sequence taggers: an embedding, a recurrent layer and a linear layer for every token."""

import torch
import torch.nn.functional as F
from torch import nn


class LSTMTagger(nn.Module):
    def __init__(
        self, vocabulary: int = 10000, tags: int = 17, dim: int = 100, hidden: int = 128
    ) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, dim)
        self.lstm = nn.LSTM(dim, hidden, batch_first=True, bidirectional=True)
        self.hidden2tag = nn.Linear(2 * hidden, tags)

    def forward(self, sentence: torch.Tensor) -> torch.Tensor:
        outputs, _ = self.lstm(self.word_embeddings(sentence))
        return F.log_softmax(self.hidden2tag(outputs), dim=-1)


class GRUTagger(nn.Module):
    """Two stacked layers; takes and gives the state, to be called on a stream."""

    def __init__(
        self, vocabulary: int = 10000, tags: int = 17, dim: int = 100, hidden: int = 128
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.gru = nn.GRU(dim, hidden, num_layers=2, batch_first=True, dropout=0.1)
        self.fc = nn.Linear(hidden, tags)

    def forward(
        self, tokens: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        outputs, state = self.gru(self.embed(tokens), state)
        return self.fc(outputs), state
