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
    """SGD with Nesterov momentum in bf16: constant rate while cuts follow, then linear to zero.

    One for each run. A step is charged the fastest step of its stretch, so that what else the
    machine does changes nothing; candidates (NetAdapt) come out of the final stretch.
    """

    def __init__(self, data: Cifar, seconds: float, seed: int) -> None:
        self.data, self.seconds, self.seed = data, seconds, seed
        self.on_candidates = 0.0

    def __call__(self, model: nn.Module, segment: TrainingSegment) -> None:
        share = segment.end - segment.begin
        if segment.candidate:
            self.on_candidates += share
        elif segment.final:
            share -= self.on_candidates
        self.run(model, share, decay=segment.final or segment.candidate, seed=segment.index)

    def run(self, model: nn.Module, share: float, decay: bool = True, seed: int = 0) -> int:
        """Trains for a share of the budget; returns the number of steps."""
        generator = torch.Generator().manual_seed(1000 * self.seed + seed)
        model.to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.SGD(
            model.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=5e-4
        )
        budget, fastest, steps = self.seconds * share, float("inf"), 0
        while (spent := steps * fastest if steps else 0.0) < budget:
            begin = time.process_time()
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
            fastest = min(fastest, time.process_time() - begin)
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
