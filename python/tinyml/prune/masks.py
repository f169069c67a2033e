"""Holding channels and residual branches at zero without cutting them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from tinyml import _core
from tinyml._core import Cut, DependencyGraph, PruningPlan, ResidualBranch
from tinyml.prune.surgery import attribute_of


class Masks:
    """Zeros in what a plan removes, put back before every forward pass until removed.

    dependencies: of the graph that the plan's cuts are of. They say which entries are left alone
        although they go: divisors, and directions of normalised weights.
    branches: those that the plan removes; the last module of each gives zeros.
    """

    def __init__(
        self,
        module: nn.Module,
        plan: PruningPlan,
        dependencies: DependencyGraph,
        branches: Iterable[ResidualBranch] = (),
    ) -> None:
        self.plan = plan
        self._masks: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        keeps_values = set(_core.unmaskable_axes(dependencies))
        for cut in plan.cuts:
            owner, _, name = cut.parameter.rpartition(".")
            tensor = attribute_of(module, owner, name)
            if not isinstance(tensor, nn.Parameter):
                continue
            if (cut.parameter, cut.dimension) in keeps_values:
                continue
            _, mask = self._masks.setdefault(
                id(tensor), (tensor, torch.ones_like(tensor, requires_grad=False))
            )
            _hide(mask, cut)
        self._before = [tensor.detach().clone() for tensor, _ in self._masks.values()]
        self._apply()
        self._hooks = [module.register_forward_pre_hook(self._apply)]
        for branch in branches:
            last = next((path for path in reversed(branch.modules) if path), None)
            if last is not None:
                hook = module.get_submodule(last).register_forward_hook(_zeros)
                self._hooks.append(hook)

    def remove(self) -> None:
        """Apply the masks a last time and let go."""
        self._apply()
        for hook in self._hooks:
            hook.remove()

    def undo(self) -> None:
        """Let go, with the values from before the masks."""
        self.remove()
        with torch.no_grad():
            for (tensor, _), before in zip(self._masks.values(), self._before, strict=True):
                tensor.copy_(before)

    def _apply(self, *_: Any) -> None:
        with torch.no_grad():
            for tensor, mask in self._masks.values():
                tensor.mul_(mask.to(tensor.device))


def _zeros(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(output)


def _hide(mask: torch.Tensor, cut: Cut) -> None:
    run, rows = cut.size // cut.groups, mask.shape[0] // cut.groups
    kept = set(cut.kept)
    for index in range(cut.size):
        if index in kept:
            continue
        if cut.groups == 1:
            mask.select(cut.dimension, index).zero_()
        else:
            mask[index // run * rows : (index // run + 1) * rows, index % run].zero_()
