"""What the pruners of the core drive: the user's live module."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from tinyml import _core
from tinyml._core import Graph, PruningPlan, TrainingSegment
from tinyml.prune.live import LiveModel
from tinyml.prune.penalty import Penalty
from tinyml.prune.random_state import random_state, set_random_state
from tinyml.prune.taylor import TaylorAccumulator

Train = Callable[[nn.Module, TrainingSegment], object]
Evaluate = Callable[[nn.Module], float]


class Host:
    """A live model with the user's training and evaluation."""

    def __init__(
        self,
        live: LiveModel,
        train: Train,
        evaluate: Evaluate | None = None,
        measures_importance: bool = False,
    ) -> None:
        self.live = live
        self.plan: PruningPlan | None = None
        """All cuts together."""
        self.removed_branches: list[str] = []
        self.measures_importance = measures_importance
        self._train = train
        self._evaluate = evaluate
        self._scores: torch.Tensor | None = None
        self._penalty: Penalty | None = None

    @property
    def can_evaluate(self) -> bool:
        return self._evaluate is not None

    def graph(self) -> Graph:
        self.live.refresh()
        return self.live.graph

    def cut(self, plan: PruningPlan) -> None:
        self.live.refresh()
        self.live.cut(plan, proved=True)  # by the core
        self.plan = plan if self.plan is None else _core.compose_plans(self.plan, plan)

    def remove_branches(self, names: list[str]) -> None:
        self.live.refresh()
        self.live.remove_branches(names)
        self.removed_branches += names

    def train(self, segment: TrainingSegment) -> None:
        module = self.live.module
        accumulator = TaylorAccumulator(self.live) if self.measures_importance else None
        was_training = module.training
        try:
            module.train()
            self._train(module, segment)
        finally:
            module.train(was_training)
            if accumulator is not None:
                accumulator.remove()
        if accumulator is not None:
            self._scores = accumulator.scores

    def evaluate(self) -> float:
        assert self._evaluate is not None
        module = self.live.module
        was_training = module.training
        try:
            module.eval()
            with torch.no_grad():
                return float(self._evaluate(module))
        finally:
            module.train(was_training)

    def importance(self) -> list[float]:
        return [] if self._scores is None else self._scores.tolist()

    def penalize(self, anchors: Mapping[str, Any], rho: float) -> None:
        if self._penalty is not None:
            self._penalty.remove()
            self._penalty = None
        if anchors:
            tensors = {name: torch.from_dlpack(array).clone() for name, array in anchors.items()}
            self._penalty = Penalty(self.live.module, tensors, rho)

    def anchors(self) -> dict[str, torch.Tensor]:
        return {} if self._penalty is None else self._penalty.anchors

    def fork(self) -> Host:
        return Host(self.live.fork(), self._train, self._evaluate)

    def save(self, path: str) -> None:
        penalty = self._penalty
        state = {
            "weights": self.live.module.state_dict(),
            "scores": self._scores,
            "anchors": {} if penalty is None else penalty.anchors,
            "rho": 0.0 if penalty is None else penalty.rho,
            "random": random_state(),
        }
        torch.save(state, path + ".part")
        os.replace(path + ".part", path)

    def load(self, path: str) -> None:
        state = torch.load(path, weights_only=True, map_location="cpu")
        self.live.module.load_state_dict(state["weights"])
        self._scores = state["scores"]
        self.penalize(state["anchors"], state["rho"])
        self.live.refresh()
        set_random_state(state.get("random", {}))
