"""Pruning of a live module: channels are removed in place, proven exact before anything is done."""

from tinyml._core import TrainingSegment
from tinyml.prune.iterative import (
    ADMMPruner,
    GradualPruner,
    IterativePruner,
    NetAdaptPruner,
    ProgressivePruner,
)
from tinyml.prune.pruner import (
    ChannelPruner,
    IdentityChannelPruner,
    LayerReconstruction,
    OneShotChannelPruner,
    PruningCost,
    Sensitivity,
)
from tinyml.prune.recover import recalibrate_batch_norm

__all__ = [
    "ADMMPruner",
    "ChannelPruner",
    "GradualPruner",
    "IdentityChannelPruner",
    "IterativePruner",
    "LayerReconstruction",
    "NetAdaptPruner",
    "OneShotChannelPruner",
    "ProgressivePruner",
    "PruningCost",
    "Sensitivity",
    "TrainingSegment",
    "recalibrate_batch_norm",
]
