"""Wav2Letter (Collobert et al., 2016): a stack of Conv1d from MFCC features to letters."""

import torch
from torch import nn


class Wav2Letter(nn.Module):
    def __init__(self, num_classes: int = 40, features: int = 13, width: float = 1.0) -> None:
        super().__init__()
        c, wide = int(250 * width), int(2000 * width)
        layers: list[nn.Module] = [nn.Conv1d(features, c, 48, stride=2, padding=23), nn.ReLU(True)]
        for _ in range(7):
            layers += [nn.Conv1d(c, c, 7, stride=1, padding=3), nn.ReLU(inplace=True)]
        layers += [
            nn.Conv1d(c, wide, kernel_size=32, stride=1, padding=16),
            nn.ReLU(inplace=True),
            nn.Conv1d(wide, wide, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Conv1d(wide, num_classes, kernel_size=1),
            nn.ReLU(inplace=True),
        ]
        self.acoustic_model = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.log_softmax(self.acoustic_model(x), dim=1)
