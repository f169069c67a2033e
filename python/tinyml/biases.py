"""Biases of a fake-quantized module on the integers that the device adds."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tinyml import _core
from tinyml.capture import trace


def round_biases(module: nn.Module, dummy_input: Any = None, graph: Any = None) -> nn.Module:
    """Round the biases of quantized layers, in place, as conversion would: to multiples of
    ``input_scale * weight_scale[channel]``, by half a step at most.

    After that the module computes what the integers of the file do. PostQuantizer does it by
    itself; call it once after quantization-aware training, when the scales are final. The module is
    put into eval mode and captured on ``dummy_input``, unless ``graph`` is its graph already.
    Returns the module.
    """
    module.eval()
    if graph is None:
        graph = trace(module, dummy_input)
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    known = graph.tensors()
    present = {
        name: tensor.detach().cpu().contiguous().numpy()
        for name, tensor in own.items()
        if name in known and tensor.dtype != torch.bfloat16
    }
    before = graph.with_weights(present)
    after = _core.round_biases(before).parameters()
    with torch.no_grad():
        for name, array in after.items():
            if name in present and not (array == present[name]).all():
                own[name].copy_(torch.from_numpy(array.copy()))
    return module
