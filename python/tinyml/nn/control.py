"""Switches over every FakeQuant module of a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from tinyml.nn.fake_quantize import FakeQuantize, Requantize, WeightFakeQuantize
from tinyml.nn.qat_conv import FoldedBatchNorm


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
