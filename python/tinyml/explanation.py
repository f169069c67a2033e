"""Where a quantized file loses accuracy, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from tinyml import _core
from tinyml._core import Error, Graph
from tinyml.arguments import tensors_of
from tinyml.capture import trace
from tinyml.nn import fake_quantizers
from tinyml.verification import _make_interpreter


def explain(
    file: str | os.PathLike[str] | bytes,
    model: Any,
    inputs: Iterable[Any],
    *,
    kernels: str = "xnnpack",
    html: str | os.PathLike[str] | None = None,
) -> _core.Explanation:
    """Compare the integers of a .tflite file with the model, layer by layer.

    file: path or contents. model: the quantized module, its Graph, or the path of its .pt2 archive:
    what the file was converted from; the float model is the same without FakeQuants. inputs:
    examples, each a tensor, or a tuple or dict of the model's arguments. kernels: "xnnpack",
    "builtin" or "reference"; after tinyml.simulate_kernels the module rounds as they do, and only
    what is left counts as the kernels'. html: where to write a page with all layers.

    Each entry of the result's ``layers`` has the signal-to-noise ratio of the file's tensor against
    the float model (``snr_db``), the same of this layer alone (``own_snr_db``), and ``findings``:
    causes with remedies. Print the result for a table.
    """
    examples = list(inputs)
    if not examples:
        raise Error("there is no sample to run; give representative inputs")
    samples = [[_to_numpy(value) for value in tensors_of(item, examples[0])] for item in examples]
    graph = _graph_of(model, examples[0])
    contents = file if isinstance(file, bytes) else Path(file).read_bytes()

    def run(probed: bytes, given: Mapping[str, bytes]) -> dict[str, bytes]:
        interpreter = _make_interpreter(probed, kernels)
        runner = interpreter.get_signature_runner()
        details = runner.get_input_details()
        arrays = {
            name: np.frombuffer(data, details[name]["dtype"]).reshape(details[name]["shape"])
            for name, data in given.items()
        }
        return {name: value.tobytes() for name, value in runner(**arrays).items()}

    found = _core.explain(contents, graph, samples, run, _roundings_of(model))
    if html is not None:
        Path(html).write_text(found.to_html(), encoding="utf-8")
    return found


def _roundings_of(model: Any) -> list[_core.KernelRounding]:
    """What simulate_kernels() set in the module."""
    if not isinstance(model, nn.Module):
        return []
    found = (quantizer.kernel_rounding for _, quantizer in fake_quantizers(model))
    return [rounding.found for rounding in found if rounding is not None]


def _graph_of(model: Any, example: Any) -> Graph:
    if isinstance(model, Graph):
        return model
    if isinstance(model, str | os.PathLike):
        return Graph.load(os.fspath(model))
    model.eval()
    return trace(model, example)


def _to_numpy(value: Any) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = value.detach().cpu().contiguous().numpy()
    return array
