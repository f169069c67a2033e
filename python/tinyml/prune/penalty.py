"""The quadratic penalty of ADMM, added to the gradients of a user's own training loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from tinyml.prune.surgery import attribute_of


class Penalty:
    """rho/2 |W - anchor|^2 on parameters of a module, through hooks on their gradients."""

    def __init__(self, module: nn.Module, anchors: Mapping[str, torch.Tensor], rho: float) -> None:
        self.anchors = dict(anchors)
        self.rho = rho
        self._hooks: list[Any] = []
        for name, anchor in anchors.items():
            owner, _, attribute = name.rpartition(".")
            parameter = attribute_of(module, owner, attribute)
            if isinstance(parameter, nn.Parameter) and parameter.requires_grad:
                hook = _Pull(parameter, anchor.to(parameter), rho)
                self._hooks.append(parameter.register_post_accumulate_grad_hook(hook))

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()


class _Pull:
    def __init__(self, parameter: nn.Parameter, anchor: torch.Tensor, rho: float) -> None:
        self._anchor = anchor
        self._rho = rho

    def __call__(self, parameter: torch.Tensor) -> None:
        if parameter.grad is not None:
            with torch.no_grad():
                parameter.grad.add_(parameter - self._anchor, alpha=self._rho)
