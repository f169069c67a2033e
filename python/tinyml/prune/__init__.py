"""Pruning of a live module: channels are removed in place, proven exact before anything is done."""

from tinyml.prune.pruner import (
    ChannelPruner,
    IdentityChannelPruner,
    OneShotChannelPruner,
    PruningCost,
)

__all__ = ["ChannelPruner", "IdentityChannelPruner", "OneShotChannelPruner", "PruningCost"]
