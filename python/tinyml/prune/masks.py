"""Holding channels at zero without cutting them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tinyml._core import Cut, PruningPlan
from tinyml.prune.surgery import attribute_of


class Masks:
    """Zeros in what a plan removes, put back before every forward pass until removed."""

    def __init__(self, module: nn.Module, plan: PruningPlan) -> None:
        self.plan = plan
        self._masks: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        for cut in plan.cuts:
            owner, _, name = cut.parameter.rpartition(".")
            tensor = attribute_of(module, owner, name)
            if isinstance(tensor, nn.Parameter):
                _, mask = self._masks.setdefault(
                    id(tensor), (tensor, torch.ones_like(tensor, requires_grad=False))
                )
                _hide(mask, cut)
        self._apply()
        self._hook = module.register_forward_pre_hook(self._apply)

    def remove(self) -> None:
        """Apply the masks a last time and let go."""
        self._apply()
        self._hook.remove()

    def _apply(self, *_: Any) -> None:
        with torch.no_grad():
            for tensor, mask in self._masks.values():
                tensor.mul_(mask.to(tensor.device))


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
