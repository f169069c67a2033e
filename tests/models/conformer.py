"""Conformer (Gulati et al., 2020): convolution-augmented attention over padded speech features."""

import torch
from torch import nn


class FeedForward(nn.Sequential):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__(
            nn.LayerNorm(dim),
            nn.Linear(dim, hidden),
            nn.SiLU(),
            nn.Dropout(0.1),
            nn.Linear(hidden, dim),
            nn.Dropout(0.1),
        )


class ConvolutionModule(nn.Module):
    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(dim)
        self.sequential = nn.Sequential(
            nn.Conv1d(dim, 2 * dim, 1),
            nn.GLU(dim=1),
            nn.Conv1d(dim, dim, kernel, padding=(kernel - 1) // 2, groups=dim),
            nn.BatchNorm1d(dim),
            nn.SiLU(),
            nn.Conv1d(dim, dim, 1),
            nn.Dropout(0.1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer_norm(x).transpose(1, 2)
        return self.sequential(x).transpose(1, 2)


class ConformerBlock(nn.Module):
    def __init__(self, dim: int, hidden: int, heads: int, kernel: int) -> None:
        super().__init__()
        self.ffn1 = FeedForward(dim, hidden)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.self_attn = nn.MultiheadAttention(dim, heads, dropout=0.1, batch_first=True)
        self.conv_module = ConvolutionModule(dim, kernel)
        self.ffn2 = FeedForward(dim, hidden)
        self.final_layer_norm = nn.LayerNorm(dim)

    def forward(self, x: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
        x = x + 0.5 * self.ffn1(x)
        y = self.self_attn_layer_norm(x)
        y, _ = self.self_attn(y, y, y, key_padding_mask=padding, need_weights=False)
        x = x + y
        x = x + self.conv_module(x)
        x = x + 0.5 * self.ffn2(x)
        return self.final_layer_norm(x)


class Conformer(nn.Module):
    def __init__(
        self, dim: int = 80, hidden: int = 128, heads: int = 4, layers: int = 4, kernel: int = 31
    ) -> None:
        super().__init__()
        self.conformer_layers = nn.ModuleList(
            [ConformerBlock(dim, hidden, heads, kernel) for _ in range(layers)]
        )

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """x: [batch, time, features]; lengths: [batch]."""
        positions = torch.arange(x.shape[1], device=x.device).expand(x.shape[0], x.shape[1])
        padding = positions >= lengths[:, None]
        for layer in self.conformer_layers:
            x = layer(x, padding)
        return x
