"""Cross-layer equalization of a float model."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tinyml import _core
from tinyml.capture import trace


def cross_layer_equalize(
    model: nn.Module,
    dummy_input: Any,
    device: torch.device | str | None = None,
    *,
    absorb_bias: bool = False,
    pairs: list[tuple[str, str]] | None = None,
) -> nn.Module:
    """Even out the ranges of channels between layers, in place; the model computes what it did.

    Each channel between two layers (through ReLU, leaky ReLU, PReLU, pooling, zero padding,
    flattening) is divided by a number in the first and multiplied by it in the second, so that the
    largest weights on both sides are equal (Nagel et al., Data-Free Quantization, 2019). It helps
    where one scale serves a whole weight (``per_tensor: true``); with one for each output channel
    it may gain or lose. Call it on the trained float model before quantizing.

    absorb_bias: then also move constants that a channel never falls below (batch norm's mean less
    three deviations, where positive) from the batch norm's bias into the next layers', where
    nothing but a ReLU lies between and they do not pad; values further down change.

    device: where the model goes; None: it stays where it is. pairs: a list that gets the (first,
    second) module paths of what was equalized; nothing when nothing could be.

    Returns the model. Raises tinyml.Error for a model that cannot be captured or has FakeQuants.
    """
    graph, changed, found = _core.equalize_layers(trace(model, dummy_input))
    if absorb_bias:
        _, more, _ = _core.absorb_high_biases(graph)
        changed.update(more)
    tensors = model.state_dict(keep_vars=True)
    with torch.no_grad():
        for name, value in changed.items():
            tensors[name].copy_(torch.tensor(value))
    if pairs is not None:
        pairs += found
    return model if device is None else model.to(device)
