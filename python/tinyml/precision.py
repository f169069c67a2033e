"""How a converted model's numbers are stored: the precision options of TFLiteConverter."""

from __future__ import annotations

import sys

from torch import nn

from tinyml._core import Error

PRECISIONS = ("float32", "float16", "dynamic_range")


def resolve_precision(
    precision: str | None, float16_quantization: bool, hybrid_quantization_from_float: bool
) -> str:
    """The one precision that the three options name. Raises tinyml.Error where they disagree."""
    asked = [
        (precision, precision is not None),
        ("float16", float16_quantization),
        ("dynamic_range", hybrid_quantization_from_float),
    ]
    named = {name for name, given in asked if given and name is not None}
    if len(named) > 1:
        raise Error(f"the options ask for {' and '.join(sorted(named))}: a file has one precision")
    chosen = named.pop() if named else "float32"
    if chosen not in PRECISIONS:
        raise Error(
            f"'{chosen}' is no precision; use one of {', '.join(PRECISIONS)}. Static int8 and "
            "int16 come from the FakeQuants that QATQuantizer and PostQuantizer put into the model"
        )
    return chosen


def rounds_weights_only(model: nn.Module) -> bool:
    """Whether weights have FakeQuants and activations none, as DynamicQuantizer makes it."""
    layers = sys.modules.get("tinyml.nn")
    if layers is None:  # no module of ours exists
        return False
    kinds = {type(module) for _, module in layers.fake_quantizers(model)}
    return kinds == {layers.WeightFakeQuantize}
