"""Training by a budget of CPU seconds, so that methods of different cost a step compare fairly."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F
from data import Cifar, normalize
from torch import nn

from tinyml.prune import TrainingSegment

RATE, WARM_UP, BATCH = 0.1, 0.02, 128


class Trainer:
    """SGD with Nesterov momentum in bf16: constant rate while cuts follow, then linear to zero."""

    def __init__(self, data: Cifar, seconds: float, seed: int) -> None:
        self.data, self.seconds, self.seed = data, seconds, seed

    def __call__(self, model: nn.Module, segment: TrainingSegment) -> None:
        final = segment.final or segment.candidate
        self.run(model, segment.end - segment.begin, decay=final, seed=segment.index)

    def run(self, model: nn.Module, share: float, decay: bool = True, seed: int = 0) -> int:
        """Trains for a share of the budget; returns the number of steps."""
        generator = torch.Generator().manual_seed(1000 * self.seed + seed)
        model.to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.SGD(
            model.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=5e-4
        )
        budget, begin, steps = self.seconds * share, time.process_time(), 0
        while (spent := time.process_time() - begin) < budget:
            rate = RATE * (1 - spent / budget) if decay else RATE
            rate *= min(1.0, spent / (WARM_UP * self.seconds) + 0.05) if decay else 1.0
            for group in optimizer.param_groups:
                group["lr"] = rate
            images, labels = self.data.batch(generator, BATCH)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(images)
            loss = F.cross_entropy(logits.float(), labels, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
        return steps


def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """In percent."""
    model.eval()
    right = 0
    with torch.no_grad():
        for i in range(0, len(images), 500):
            batch = normalize(images[i : i + 500]).contiguous(memory_format=torch.channels_last)
            right += int((model(batch).argmax(1) == labels[i : i + 500]).sum())
    return 100 * right / len(images)
