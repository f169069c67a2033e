"""What the metrics measure on a live module, as plan_pruning() takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from tinyml import _core
from tinyml._core import Error
from tinyml.arguments import tensors_of
from tinyml.prune.live import LiveModel
from tinyml.prune.surgery import attribute_of

Metric = Callable[[str, torch.Tensor], Any]
"""From a weight's name and the weight, channels first, to one number a channel."""


def gather(live: LiveModel, metric: str | Metric, batches: Iterable[Any] | None) -> dict[str, Any]:
    """Keyword arguments of _core.plan_pruning for this metric."""
    if callable(metric):
        return {"scores": _user_scores(live, metric)}
    if metric == "taylor":
        return {"gradients": _gradients(live)}
    if metric in ("hrank", "apoz"):
        if batches is None:
            raise Error(
                f"the metric '{metric}' measures activations: give prune(batches=...) some batches "
                "of training data"
            )
        example = live.dummy_input
        data = [[t.detach().cpu() for t in tensors_of(batch, example)] for batch in batches]
        return {"batches": data}
    return {}


def _gradients(live: LiveModel) -> dict[str, torch.Tensor]:
    gradients = {}
    for name in live.graph.parameters():
        owner, _, attribute = name.rpartition(".")
        parameter = attribute_of(live.module, owner, attribute)
        if parameter is not None and parameter.grad is not None:
            gradients[name] = parameter.grad.detach().float().cpu().contiguous()
    return gradients


def _user_scores(live: LiveModel, metric: Metric) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = {}
    for name, dimension, groups in _core.producer_axes(live.dependencies):
        owner, _, attribute = name.rpartition(".")
        weight = attribute_of(live.module, owner, attribute)
        if weight is None:
            raise Error(f"the module has no attribute '{name}'")
        weight = weight.detach()
        if groups > 1:  # [in, out / groups, ...] of a transposed convolution
            parts = weight.reshape(groups, -1, *weight.shape[1:]).movedim(dimension + 1, 1)
            weight = parts.flatten(0, 1)
        else:
            weight = weight.movedim(dimension, 0)
        values = torch.as_tensor(metric(name, weight))
        if values.shape != weight.shape[:1]:
            raise Error(
                f"the metric returned the shape {list(values.shape)} for '{name}', which has "
                f"{weight.shape[0]} channels: return one number a channel"
            )
        scores[name] = values.double().tolist()
    return scores
