"""CIFAR-10 from one file of JPEG images, decoded once."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import torch
from PIL import Image

MEAN = torch.tensor([125.27, 122.93, 113.86]).view(1, 3, 1, 1)
DEVIATION = 63.0


class Cifar:
    """Images as uint8 [n, 3, 32, 32] and labels, for training and for the test."""

    def __init__(self, file: Path, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        decoded = cache / "cifar10.npz"
        if not decoded.exists():
            _decode(file, decoded)
        arrays = np.load(decoded)
        self.train, self.train_labels = _tensors(arrays, "train")
        self.test, self.test_labels = _tensors(arrays, "test")

    def batch(self, generator: torch.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A random batch, flipped and shifted by up to four pixels."""
        index = torch.randint(0, len(self.train), (size,), generator=generator)
        images = normalize(self.train[index])
        flip = torch.rand(size, generator=generator) < 0.5
        images[flip] = images[flip].flip(-1)
        padded = torch.nn.functional.pad(images, (4, 4, 4, 4))
        y, x = (int(v) for v in torch.randint(0, 9, (2,), generator=generator))
        images = padded[:, :, y : y + 32, x : x + 32]
        return images.contiguous(memory_format=torch.channels_last), self.train_labels[index]


def normalize(images: torch.Tensor) -> torch.Tensor:
    return (images.float() - MEAN) / DEVIATION


def _decode(file: Path, target: Path) -> None:
    packed = np.load(file)
    result = {}
    for part in ("train", "test"):
        content, offsets = packed[f"{part}_jpg"].tobytes(), packed[f"{part}_off"]
        images = [
            np.asarray(Image.open(io.BytesIO(content[a:b]))) for a, b in itertools.pairwise(offsets)
        ]
        result[part] = np.stack(images).transpose(0, 3, 1, 2)
        result[f"{part}_y"] = packed[f"{part}_y"]
    np.savez(target, **result)


def _tensors(arrays, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(arrays[part]), torch.from_numpy(arrays[f"{part}_y"]).long()
