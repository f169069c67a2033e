"""What becomes of a fake-quantized module's scales and biases once its ranges are final."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tinyml import _core
from tinyml.capture import trace


def with_own_tensors(graph: Any, module: nn.Module) -> tuple[Any, dict[str, torch.Tensor]]:
    """The graph with the module's present tensors, and those tensors by name."""
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    known = graph.tensors()
    own = {n: t for n, t in own.items() if n in known and t.dtype != torch.bfloat16}
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in own.items()}
    return graph.with_weights(arrays), own


def share_scales(module: nn.Module, graph: Any) -> None:
    """Give the parts of concatenations in ``graph``, the module's, one scale where theirs differ
    little, in place: no requantization is needed between them."""
    before, own = with_own_tensors(graph, module)
    with torch.no_grad():
        for name, array in _core.share_scales(before).items():
            own[name].copy_(torch.from_numpy(array.copy()))


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
    before, own = with_own_tensors(graph, module)
    present = before.parameters()
    with torch.no_grad():
        for name, array in _core.round_biases(before).parameters().items():
            if name in own and not (array == present[name]).all():
                own[name].copy_(torch.from_numpy(array.copy()))
    return module
