"""Taylor importance, accumulated while the user trains."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from tinyml import _core
from tinyml.prune.live import LiveModel
from tinyml.prune.surgery import attribute_of


class TaylorAccumulator:
    """Sums the squared first-order change of the loss of every group of channels over all steps of
    any optimizer that holds the module's parameters (Molchanov et al. 2019).

    Where a normalisation scales a group's channels, its scale and shift tell; elsewhere the weights
    that make them.
    """

    def __init__(self, live: LiveModel) -> None:
        count = _core.unit_count(live.dependencies)
        axes = []
        followed: set[int] = set()
        for name, dimension, groups, makes, units in _core.axis_units(live.dependencies):
            owner, _, attribute = name.rpartition(".")
            tensor = attribute_of(live.module, owner, attribute)
            if not isinstance(tensor, torch.nn.Parameter):
                continue
            if not makes and tensor.ndim == 1:
                followed.update(unit for unit in units if unit >= 0)
            axes.append((tensor, dimension, groups, makes, units))
        self._axes = [
            (tensor, dimension, groups, torch.tensor([u if u >= 0 else count for u in units]))
            for tensor, dimension, groups, makes, units in axes
            if not makes or any(unit >= 0 and unit not in followed for unit in units)
        ]
        self.scores = torch.zeros(count, dtype=torch.float64)
        self._parameters = {id(tensor) for tensor, *_ in self._axes}
        self._hook = register_optimizer_step_pre_hook(self._observe)

    def remove(self) -> None:
        self._hook.remove()

    def _observe(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        held = (id(p) for group in optimizer.param_groups for p in group["params"])
        if not any(each in self._parameters for each in held):
            return
        total = torch.zeros(len(self.scores) + 1, dtype=torch.float64)
        with torch.no_grad():
            for tensor, dimension, groups, units in self._axes:
                if tensor.grad is not None:
                    product = (tensor * tensor.grad).float()
                    total.index_add_(0, units, _sums(product, dimension, groups).double().cpu())
        self.scores += total[:-1].square()


def _sums(product: torch.Tensor, dimension: int, groups: int) -> torch.Tensor:
    if groups > 1:
        product = product.reshape(groups, -1, *product.shape[1:])
        return product.movedim(dimension + 1, 1).flatten(2).sum(2).flatten()
    return product.movedim(dimension, 0).flatten(1).sum(1) if product.ndim > 1 else product
