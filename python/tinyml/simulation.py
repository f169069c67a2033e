"""Which kernels a fake-quantized module computes like."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import nn

from tinyml import _core
from tinyml.biases import with_own_tensors
from tinyml.capture import trace
from tinyml.nn import fake_quantizers
from tinyml.nn.kernel_rounding import KernelRounding


def simulate_kernels(
    module: nn.Module,
    dummy_input: Any = None,
    kernels: str | None = "reference",
    *,
    tflite: str | os.PathLike[str] | bytes | None = None,
    graph: Any = None,
) -> nn.Module:
    """Let inference with a fake-quantized module give the integers of certain kernels, in place.

    FakeQuants round to the nearest integer. Kernels round the product with a multiplier of limited
    precision, some of them twice, and break ties in their own ways: an integer in a hundred to a
    thousand is another one then.

    kernels: "xnnpack" or "reference" (LiteRT's own, without a delegate), of LiteRT 2.3; None: no
    kernels, as before. tflite: path or contents of the file that was written from the module; what
    TFLiteConverter writes by default otherwise.

    Call it when the scales are final and biases are rounded (both quantizers' ``convert()``).
    Training, the exported graph and the written file do not change; nor does the ``state_dict``, so
    call it again after loading one. The module is put into eval mode and captured on
    ``dummy_input``, unless ``graph`` is its graph already. Returns the module.
    """
    if kernels not in ("xnnpack", "reference", None):
        raise _core.Error(f"'{kernels}' cannot be simulated; use 'xnnpack' or 'reference'")
    module.eval()
    roundings = {}
    if kernels is not None:
        present, _ = with_own_tensors(graph or trace(module, dummy_input), module)
        if tflite is None:
            tflite = _core.convert(present, fuse_where_possible=True).to_bytes()
        contents = tflite if isinstance(tflite, bytes) else Path(tflite).read_bytes()
        found = _core.kernel_roundings(present, contents, kernels == "xnnpack")
        roundings = {rounding.module_path: KernelRounding(rounding) for rounding in found}
    for name, quantizer in fake_quantizers(module):
        quantizer.kernel_rounding = roundings.get(name)
    return module
