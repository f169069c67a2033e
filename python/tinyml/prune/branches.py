"""Taking residual branches out of a live module."""

from __future__ import annotations

import torch
from torch import nn

from tinyml._core import ResidualBranch


class ZeroBranch(nn.Module):
    """What stays of a residual branch: zeros of the shortcut's shape."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)


def clear_branch(module: nn.Module, branch: ResidualBranch) -> list[tuple[str, nn.Module]]:
    """Replace the branch's leaf modules by ones without arithmetic; returns what was there."""
    replaced = [(path, module.get_submodule(path)) for path in branch.modules if path]
    for path, _ in replaced[:-1]:
        module.set_submodule(path, nn.Identity())
    if replaced:
        module.set_submodule(replaced[-1][0], ZeroBranch())
    return replaced
