"""Sane random weights: activations keep their scale through the whole network."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def randomize(model: nn.Module, seed: int = 0) -> nn.Module:
    """Draw He-normal convolution and linear weights and uneven batch-norm gains, in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
                weight = module.weight
                transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
                fan_in = weight[:, 0].numel() if transposed else weight[0].numel()
                if transposed:
                    for stride in module.stride:
                        fan_in = max(1, fan_in // stride)
                weight.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=generator)
                if module.bias is not None:
                    module.bias.uniform_(-0.1, 0.1, generator=generator)
            elif isinstance(module, _BATCH_NORMS) and module.affine:
                module.weight.uniform_(0.7, 1.3, generator=generator)
                module.bias.uniform_(-0.3, 0.3, generator=generator)
    return model


def calibrate_batch_norm(
    model: nn.Module,
    seed: int = 0,
    shape: tuple[int, ...] = (1, 3, 64, 64),
    batch: int = 8,
    make_inputs: Callable[[torch.Tensor], Any] | None = None,
) -> nn.Module:
    """Set batch-norm statistics to those of one random batch; the train/eval mode is kept.

    `shape` is the input's shape, its first dimension replaced by `batch`; `make_inputs` turns that
    tensor into the tuple of arguments of a model that takes more.
    """
    generator = torch.Generator().manual_seed(seed)
    norms = [m for m in model.modules() if isinstance(m, _BATCH_NORMS) and m.track_running_stats]
    if not norms:
        return model
    kept = [(norm, norm.momentum) for norm in norms]
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        x = torch.randn((batch, *shape[1:]), generator=generator)
        model(*(make_inputs(x) if make_inputs else (x,)))
    for norm, momentum in kept:
        norm.momentum = momentum
    for module, mode in modes:
        module.training = mode
    return model


def randomize_batch_norm(model: nn.Module, seed: int = 0, **kwargs) -> nn.Module:
    """Random weights and the batch-norm statistics that belong to them."""
    return calibrate_batch_norm(randomize(model, seed), seed, **kwargs)
