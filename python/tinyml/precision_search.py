"""Automatic mixed precision: a precision for every layer, found from data."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from tinyml import _core
from tinyml._core import Error, Graph
from tinyml.arguments import samples_of
from tinyml.configuration import Config
from tinyml.generated_module import make_module
from tinyml.latency import Latency, measure_latency
from tinyml.quantize import PostQuantizer

__all__ = ["MixedPrecisionSearch"]


class MixedPrecisionSearch:
    """Finds for every layer the best of int8, int16 (activations) and float.

    The sensitivity of each layer is measured on the calibration data; assignments that are best
    under the noise and cost of the layers come from exact minimum cuts, and are measured as whole
    models until one meets the target (docs/quantization.md).

    batches: calibration data, each a tensor, or a tuple or dict of the model's arguments.
    config: of the quantizer, as for PostQuantizer; what it leaves float stays float.
    target: one of ``{"snr": dB}`` against the float model, ``{"quality": least}`` of ``evaluate``,
        ``{"latency": share or "3.5 ms"}``, ``{"bit_operations": share}``; shares are of the float
        model's. With the first two the cheapest such assignment is looked for, else the best.
    evaluate: evaluate(model) -> a quality, larger is better, of a module in eval mode.
    latency: what costs are measured by, as for pruners: a function of a Graph, or a LatencyTable.
        Default: bit operations; LiteRT here where the target is a latency.
    precisions: what layers may become beside int8.
    sensitivity: "snr", or "evaluate": what evaluate() loses when a layer alone is rounded.
    time_budget: seconds. A search that it ends, or Ctrl-C, returns the best measured until then.
    journal: what was measured is kept there, and a search goes on where it was stopped; True:
        ``work_dir/<model>_search.json``.
    """

    def __init__(
        self,
        model: nn.Module,
        dummy_input: Any,
        batches: Iterable[Any],
        work_dir: str | os.PathLike[str] = "out",
        config: Config = None,
        *,
        target: Mapping[str, float | str],
        evaluate: Callable[[nn.Module], float] | None = None,
        latency: Latency | None = None,
        precisions: Sequence[str] = ("int16", "float"),
        sensitivity: str = "snr",
        sensitivity_samples: int = 8,
        time_budget: float = math.inf,
        journal: str | os.PathLike[str] | bool = True,
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        if len(target) != 1:
            raise Error(f"a search for precisions has one target, not {dict(target)!r}")
        [(kind, value)] = target.items()
        if kind == "quality" and evaluate is None:
            raise Error("the target is a quality: it needs evaluate=...")
        if sensitivity not in ("snr", "evaluate") or (sensitivity == "evaluate" and not evaluate):
            raise Error(f"sensitivity={sensitivity!r}: 'snr', or 'evaluate' with evaluate=...")
        unknown = sorted(set(precisions) - {"int8", "int16", "float"})
        if unknown:
            raise Error(f"unknown precisions {', '.join(unknown)}: int16 and float can be chosen")
        self.quantizer = PostQuantizer(model, dummy_input, work_dir, config)
        self.batches = list(batches)
        self.target = f"{kind}={value}"
        self.latency = measure_latency if latency is None and kind == "latency" else latency
        self.precisions, self.sensitivity = frozenset(precisions), sensitivity
        self.sensitivity_samples, self.time_budget = sensitivity_samples, time_budget
        default = self.quantizer.work_dir / f"{self.quantizer.stem}_search.json"
        self.journal = default if journal is True else Path(journal) if journal else None
        self.on_progress = on_progress
        self.result: _core.PrecisionSearchResult | None = None
        """Layers with their sensitivities, what was measured; print it. Set by search()."""
        self._evaluate = evaluate if kind == "quality" or sensitivity == "evaluate" else None

    def search(self) -> nn.Module:
        """The calibrated module, ready to convert. ``work_dir/<model>_layers.yaml`` holds the
        precisions, which every quantizer reads; a file that was there is kept as ``.yaml.old``.

        Raises tinyml.Error when the target cannot be reached, saying how near the best comes.
        """
        quantizer = self.quantizer
        quantizer.work_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="tinyml-") as folder:
            self.result = _core.search_precisions(
                quantizer.float_graph(),
                json.dumps(quantizer.config),
                [
                    sample
                    for batch in self.batches
                    for sample in samples_of(batch, quantizer.dummy_input)
                ],
                self.target,
                self._quality_in(Path(folder)) if self._evaluate else None,
                self.latency,
                allow_int16="int16" in self.precisions,
                allow_float="float" in self.precisions,
                by_quality=self.sensitivity == "evaluate",
                sensitivity_samples=self.sensitivity_samples,
                seconds=self.time_budget,
                journal="" if self.journal is None else os.fspath(self.journal),
                on_progress=self.on_progress,
            )
        path = quantizer.layers_path
        if path.exists() and path.read_text(encoding="utf-8") != self.result.text:
            os.replace(path, path.with_name(path.name + ".old"))
        path.write_text(self.result.text, encoding="utf-8")
        return quantizer.calibrate(self.batches)

    def _quality_in(self, folder: Path) -> Callable[[Graph], float]:
        """What ``evaluate`` says of a graph's module, whose code lies in ``folder``."""
        evaluate = self._evaluate
        assert evaluate is not None

        def quality(graph: Graph) -> float:
            module, _ = make_module(
                graph, folder / "candidate.py", folder / "candidate.pth", "Candidate"
            )
            return float(evaluate(module.eval()))

        return quality
