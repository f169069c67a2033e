"""After the cut: batch norms measured anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tinyml._core import Error
from tinyml.arguments import call


def recalibrate_batch_norm(model: nn.Module, batches: Iterable[Any]) -> int:
    """Measure the running statistics of all batch norms anew, in place.

    A cut changes what goes through a batch norm. Without this the accuracy right after a cut, which
    NetAdapt and sensitivity scans look at, says little. Each batch is normalised by its own
    statistics, and the running ones become the mean over the batches; weights stay.

    batches: the model's arguments, a tensor, tuple or dict each; some hundred examples do.
    Returns the number of batch norms. Raises tinyml.Error for no batches.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    flags = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    seen = 0
    try:
        model.eval()
        for norm in norms:
            norm.train()
            norm.momentum = None  # the mean over all batches
        with torch.no_grad():
            for batch in batches:
                if not seen:
                    for norm in norms:
                        norm.reset_running_stats()
                call(model, batch)
                seen += 1
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in flags:
            module.training = training
    if not seen:
        raise Error("batch norms are measured on data: give some batches")
    return len(norms)
