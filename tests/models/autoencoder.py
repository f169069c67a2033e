"""A denoising autoencoder for small images: strided convolutions and their transposes."""

import torch
from torch import nn


class DenoisingAutoencoder(nn.Module):
    def __init__(self, width: float = 1.0, bottleneck: int = 64) -> None:
        super().__init__()
        c1, c2 = int(32 * width), int(64 * width)
        self.encoder = nn.Sequential(
            nn.Conv2d(1, c1, 3, stride=2, padding=1),
            nn.BatchNorm2d(c1),
            nn.ELU(),
            nn.Conv2d(c1, c2, 3, stride=2, padding=1),
            nn.BatchNorm2d(c2),
            nn.ELU(),
            nn.Flatten(),
            nn.Linear(c2 * 7 * 7, bottleneck),
        )
        self.decoder = nn.Sequential(
            nn.Linear(bottleneck, c2 * 7 * 7),
            nn.ELU(),
            nn.Unflatten(1, (c2, 7, 7)),
            nn.ConvTranspose2d(c2, c1, 3, stride=2, padding=1, output_padding=1),
            nn.BatchNorm2d(c1),
            nn.ELU(),
            nn.ConvTranspose2d(c1, c1, 4, stride=2, padding=1),
            nn.BatchNorm2d(c1),
            nn.ELU(),
            nn.Conv2d(c1, 1, 3, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(noisy))
