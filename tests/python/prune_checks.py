"""The one check of pruning: the pruned model equals the original with removed channels zeroed."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import torch
from torch import nn

from tinyml import OneShotChannelPruner


def build(constructor: Callable[[], nn.Module]) -> nn.Module:
    """In float64 and eval mode, with statistics that a forgotten cut would show."""
    torch.manual_seed(0)
    model = constructor()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for values in (module.weight.data, module.running_mean, module.running_var):
                values.uniform_(0.5, 1.5)
            module.bias.data.normal_()
    return model.double().eval()


def leaves(value):
    if isinstance(value, torch.Tensor):
        return [value]
    values = value.values() if isinstance(value, dict) else value
    return [leaf for item in values for leaf in leaves(item)]


def scaled(model: nn.Module, cut) -> bool:
    """Whether a cut of weight_norm's v is along the dimension of which g has one for each index."""
    g = model.get_parameter(cut.parameter.removesuffix("1") + "0")
    return g.shape[cut.dimension] > 1


def masked(model: nn.Module, plan) -> nn.Module:
    """A copy with removed entries zeroed; divisors, variances and indices keep theirs, and the
    directions of normalised weights their length."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for cut in plan.cuts:
            if cut.parameter.endswith(("running_var", "std")):
                continue
            if cut.parameter.endswith("original1") and scaled(model, cut):
                continue
            owner, _, name = cut.parameter.rpartition(".")
            tensor = getattr(model.get_submodule(owner), name, None)
            if tensor is None or not tensor.is_floating_point():
                continue  # Indices of channels (in the code, or a buffer) say which, not how much.
            for index in set(range(cut.size)) - set(cut.kept):
                if cut.groups == 1:
                    tensor.select(cut.dimension, index).zero_()
                else:
                    run, rows = cut.size // cut.groups, tensor.shape[0] // cut.groups
                    group = index // run
                    tensor[group * rows : (group + 1) * rows, index % run].zero_()
    return model


def assert_equal(actual, expected, tolerance=1e-9):
    actual, expected = leaves(actual), leaves(expected)
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() <= tolerance * b.abs().max().clamp(min=1e-6)


def prune_and_compare(
    model: nn.Module, inputs: tuple, metric: str, in_place: bool, config: dict | None = None
) -> tuple[OneShotChannelPruner, bool]:
    """Prunes, compares with the masked original and takes a training step's gradients.

    `in_place`: whether the model's own code must be able to run with fewer channels. Returns the
    pruner and whether it did.
    """
    if metric == "taylor":
        sum(leaf.square().sum() for leaf in leaves(model(*inputs))).backward()
    original = copy.deepcopy(model)
    config = {"sparsity": 0.5, "metrics": metric, **(config or {})}
    pruner = OneShotChannelPruner(model, inputs, config)
    with warnings.catch_warnings():
        warnings.simplefilter("error" if in_place else "ignore", UserWarning)
        result = pruner.prune(batches=[inputs], in_place=False)
    assert result is model or not in_place
    if result is not model:
        assert_equal(model(*inputs), original(*inputs), 0.0)
    cost = pruner.calc_flops()
    assert cost.after.parameters < cost.before.parameters
    assert_equal(result(*inputs), masked(original, pruner.plan)(*inputs))
    result.train()
    sum(leaf.sum() for leaf in leaves(result(*inputs))).backward()
    for parameter in result.parameters():
        assert parameter.grad is None or parameter.grad.shape == parameter.shape
    return pruner, result is model
