"""Switches over every FakeQuant module of a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from tinyml._core import Error
from tinyml.nn.fake_quantize import FakeQuantize, Requantize, WeightFakeQuantize
from tinyml.nn.qat_conv import FoldedBatchNorm
from tinyml.nn.quant_layers import QuantizedWeight


def fake_quantizers(
    model: nn.Module,
) -> Iterator[tuple[str, FakeQuantize | WeightFakeQuantize | Requantize]]:
    """(dotted name, module) of everything that rounds values."""
    for name, module in model.named_modules():
        if isinstance(module, FakeQuantize | WeightFakeQuantize | Requantize):
            yield name, module


def set_observers(model: nn.Module, enabled: bool) -> None:
    """Whether training updates ranges. Turn them off for the last epochs."""
    for _, module in fake_quantizers(model):
        if getattr(module, "fixed", None) is None and not isinstance(module, Requantize):
            module.set_observing(enabled)


def learn_scales(model: nn.Module, enabled: bool = True) -> list[nn.Parameter]:
    """Make every scale a parameter that training learns (LSQ, Esser et al. 2020), starting from
    its present value; ranges are no longer observed then. Returns the new parameters, for the
    optimizer: make it after this call, without weight decay for them. ``enabled=False`` keeps what
    was learned.

    Zero points stay. Raises tinyml.Error naming FakeQuants that have seen no data: train a few
    batches, or run some inside ``with calibrating(model)``, first.
    """
    learned: list[nn.Parameter] = []
    scales = [
        (name, module)
        for name, module in fake_quantizers(model)
        if not isinstance(module, Requantize) and getattr(module, "fixed", None) is None
    ]
    unseen = [n for n, m in scales if isinstance(m, FakeQuantize) and not m.has_observed()]
    if enabled and unseen:
        raise Error(
            f"scales can be learned once there are some: no data has passed {', '.join(unseen)}. "
            "Run batches through the model inside 'with tinyml.nn.calibrating(model):'"
        )
    if enabled:
        for module in model.modules():
            if isinstance(module, QuantizedWeight):
                module.update_weight_scale()
    for _, module in scales:
        module.learn_scale(enabled)
        module.set_observing(False)  # what was learned is not observed over again
        learned += [] if module.learned_scale is None else [module.learned_scale]
    return learned


def set_fake_quant(model: nn.Module, enabled: bool) -> None:
    """Whether values are rounded."""
    for _, module in fake_quantizers(model):
        module.set_quantizing(enabled)


def set_calibrating(model: nn.Module, enabled: bool) -> None:
    """While calibrating, activations are observed in eval mode too and nothing is rounded; at its
    end every scale is computed from what was seen."""
    for _, module in fake_quantizers(model):
        if isinstance(module, FakeQuantize) and module.calibrating and not enabled:
            module.update_scale()
        module.calibrating = enabled


@contextmanager
def calibrating(model: nn.Module) -> Iterator[nn.Module]:
    """``with calibrating(model): model(data)``: observe, then compute the scales."""
    set_calibrating(model, True)
    try:
        yield model
    finally:
        set_calibrating(model, False)


def freeze_bn(model: nn.Module) -> None:
    """Train on with the running batch-norm statistics, as inference uses them."""
    for module in model.modules():
        if isinstance(module, FoldedBatchNorm):
            module.freeze_bn()
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def unfreeze_bn(model: nn.Module) -> None:
    """Back to batch statistics."""
    for module in model.modules():
        if isinstance(module, FoldedBatchNorm):
            module.unfreeze_bn()
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train(model.training)
