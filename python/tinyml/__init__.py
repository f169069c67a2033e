"""Prune, quantize and convert PyTorch models to TFLite.

What needs torch is imported on first use, so that ``import tinyml`` works without it.
"""

from __future__ import annotations

import importlib
from typing import Any

from tinyml._core import (
    Diagnostic,
    Error,
    Graph,
    LatencyTable,
    ModelCost,
    OperatorSupport,
    lowerable_operators,
    operators,
)

# Public name -> the module that defines it; resolved on first use because it imports torch.
_LAZY: dict[str, str] = {
    "ADMMPruner": "tinyml.prune",
    "Distillation": "tinyml.distill",
    "DeQuantizer": "tinyml.dequantize",
    "DynamicQuantizer": "tinyml.quantize",
    "GradualPruner": "tinyml.prune",
    "NetAdaptPruner": "tinyml.prune",
    "ProgressivePruner": "tinyml.prune",
    "PostQuantizer": "tinyml.quantize",
    "MixedPrecisionSearch": "tinyml.precision_search",
    "QATQuantizer": "tinyml.quantize",
    "TFLiteConverter": "tinyml.convert",
    "IdentityChannelPruner": "tinyml.prune",
    "OneShotChannelPruner": "tinyml.prune",
    "cross_layer_equalize": "tinyml.equalization",
    "explain": "tinyml.explanation",
    "info": "tinyml.tflite",
    "measure_latency": "tinyml.latency",
    "profile": "tinyml.latency",
    "optimize": "tinyml.tflite",
    "round_biases": "tinyml.biases",
    "simulate_kernels": "tinyml.simulation",
    "trace": "tinyml.capture",
    "verify": "tinyml.tflite",
}

__version__ = "0.1.0"
__all__ = [
    "Diagnostic",
    "Error",
    "Graph",
    "LatencyTable",
    "ModelCost",
    "OperatorSupport",
    "lowerable_operators",
    "operators",
    *sorted(_LAZY),
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tinyml' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_LAZY))
