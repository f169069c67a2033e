"""Quantization-aware training and post-training quantization of a PyTorch model."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tinyml import _core
from tinyml.arguments import call, samples_of
from tinyml.biases import round_biases, share_scales, with_own_tensors
from tinyml.capture import trace
from tinyml.configuration import Config, read_config
from tinyml.generated_module import file_stem, make_module
from tinyml.layer_settings import with_layer_function
from tinyml.nested import leaves
from tinyml.nn import calibrating, fake_quantizers, set_calibrating, set_observers
from tinyml.nn.fake_quantize import FakeQuantize

_ROUNDING_SAMPLES = 32  # that weights are rounded with


class _Quantizer:
    """What both quantizers share: from a model to the imported module of its generated code."""

    default_observer = "moving_average"
    weights_only = False
    module: nn.Module | None = None
    """What quantize() returned."""

    def __init__(
        self,
        model: nn.Module,
        dummy_input: Any,
        work_dir: str | os.PathLike[str] | None = "out",
        config: Config = None,
    ) -> None:
        wrapped = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
        self.model: nn.Module = model.module if wrapped else model
        model = self.model
        self.dummy_input = dummy_input
        self.work_dir = Path("out" if work_dir is None else work_dir)
        self.config = read_config(config)
        self.config = with_layer_function(
            self.config, model, self.config.pop("override_qconfig_func", None)
        )
        _core.check_quantization_config(json.dumps(self.config))
        self.remove_weights_after_load = bool(self.config.pop("remove_weights_after_load", False))
        if not self.config.keys() & {"observer", "algorithm"}:
            self.config["algorithm"] = self.default_observer
        self.force_overwrite = bool(self.config.pop("force_overwrite", True))
        name = type(model).__name__
        self.class_name = f"Quantized{name}"
        self.stem = file_stem(model)
        self.py_path = self.work_dir / f"{self.stem}_q.py"
        self.weights_path = self.work_dir / f"{self.stem}_q.pth"
        kind = "dynamic_layers" if self.weights_only else "layers"
        self.layers_path = self.work_dir / f"{self.stem}_{kind}.yaml"
        """The precision of every layer: written by the first run, edited by hand, then read."""
        self.report: _core.QuantizationReport | None = None
        """What was quantized and what was not, and why; set by quantize()."""
        self.equalized: list[tuple[str, str]] = []
        """The pairs of layers that ``cross_layer_equalization`` changed; set by quantize()."""
        self.absorbed = 0
        """The number of channels that ``high_bias_absorption`` changed; set by quantize()."""
        self._planned: _core.Graph | None = None
        self._graph: _core.Graph | None = None

    def float_graph(self) -> _core.Graph:
        """The captured model, equalized if the configuration says so."""
        graph = trace(self.model, self.dummy_input)
        if self.config.get("cross_layer_equalization"):
            graph, _, self.equalized = _core.equalize_layers(graph)
        if self.config.get("high_bias_absorption"):
            graph, _, self.absorbed = _core.absorb_high_biases(graph)
        return graph

    def _make_module(self) -> nn.Module:
        """The quantized model from its code, with weights, in eval mode."""
        original = self.float_graph()
        self.work_dir.mkdir(parents=True, exist_ok=True)
        graph, self.report = _core.quantize(
            original, json.dumps(self.config), self.weights_only, os.fspath(self.layers_path)
        )
        module, written = make_module(
            graph, self.py_path, self.weights_path, self.class_name, self.force_overwrite
        )
        self._planned = graph
        self._graph = graph if written else None  # the code may have been edited
        if self.remove_weights_after_load:
            self.weights_path.unlink(missing_ok=True)
        device = next((tensor.device for tensor in self.model.parameters()), None)
        return module.to(device).eval()


class QATQuantizer(_Quantizer):
    """Makes a module that simulates the int8 model while it trains.

    ``config`` is a dict or the path of a YAML file with the keys ``backend`` ("tflite"),
    ``asymmetric``, ``per_tensor``, ``bits``, ``algorithm`` ("moving_average", "min_max", "mse" or
    "l2", "percentile", "kl"), ``percentile``, ``momentum``, ``residual`` of transformers
    ("float", "int8"), ``concatenation`` ("tie", "requantize"), ``allow_float`` (or less than 90 %
    of the multiply-accumulates on integers is an error), ``ignore`` (patterns of module paths,
    classes and operators that stay float), ``layers`` (pattern -> settings for some),
    ``quantize_op_action``, ``quantized_input_stats``, ``override_qconfig_func``,
    ``remove_weights_after_load``, ``ignore_layerwise_config`` and ``force_overwrite``.
    ``work_dir/<model>_layers.yaml`` lists the precision of every layer; edit it, and the next run
    follows. The generated code lies in ``work_dir``; with ``force_overwrite: False`` the file
    that is there, which may have been edited, is used.
    """

    def quantize(self) -> nn.Module:
        """The trainable module, in training mode; its ranges start from the dummy input."""
        module = self._make_module()
        with torch.no_grad(), calibrating(module):
            call(module, self.dummy_input)
        for _, quantizer in fake_quantizers(module):
            if isinstance(quantizer, FakeQuantize):
                quantizer.reset_statistics()  # the first batch counts, not the dummy
        self.module = module.train()
        return self.module

    def convert(self, module: nn.Module | None = None) -> nn.Module:
        """The trained module, ready for TFLiteConverter: in eval mode, its ranges final, its biases
        rounded to the integers that the device adds (tinyml.round_biases). In place.

        ``module``: what quantize() returned, if it was trained elsewhere (a copy, unwrapped from
        DataParallel). Raises tinyml.Error when quantize() was never called or nothing was observed.
        """
        module = self.module if module is None else module
        if module is None:
            raise _core.Error("Nothing to convert: call quantize() and train what it returns.")
        _check_observed(module, "Train the module that quantize() returned first.")
        set_observers(module, False)
        return round_biases(module, self.dummy_input)


class PostQuantizer(_Quantizer):
    """Quantizes a trained model from calibration data, without training.

    ``config`` as for QATQuantizer; the algorithm is "mse" (least squared error) unless set, and
    calibrate() corrects biases unless ``bias_correction`` is false.
    """

    default_observer = "mse"
    _frozen = False
    refined: list[_core.RefinedLayer]
    """What ``adaptive_rounding`` and ``bias_correction`` did by layer; set by calibrate()."""

    def quantize(self) -> nn.Module:
        """The module in observing mode: run calibration data through it, then call freeze()."""
        self.module = self._make_module()
        self._frozen = False
        set_calibrating(self.module, True)
        return self.module

    def calibrate(self, batches: Iterable[Any]) -> nn.Module:
        """Observe every batch (a tensor, or a tuple or dict of the model's arguments), then
        freeze."""
        module = self.quantize() if self.module is None else self.module
        most = self._refined_samples()
        kept: list[list[torch.Tensor]] = []
        with torch.no_grad():
            for batch in batches:
                call(module, batch)
                if len(kept) < most:
                    parts = samples_of(batch, self.dummy_input, strict=False)
                    kept += parts[: most - len(kept)]
        self.freeze()
        self.refined = []
        if most:
            try:
                self._refine(module, kept)
            except _core.Error as error:
                if self._refinement_was_asked_for():
                    raise
                warnings.warn(f"biases were not corrected: {error}", stacklevel=2)
        return module

    def _refinement_was_asked_for(self) -> bool:
        return bool(self.config.get("adaptive_rounding") or self.config.get("bias_correction"))

    def _refined_samples(self) -> int:
        """How many inputs of the dummy input's size to refine with; 0: not at all."""
        if self.config.get("adaptive_rounding"):
            return _ROUNDING_SAMPLES
        if not self.config.get("bias_correction", True):
            return 0
        tensors = leaves(self.dummy_input)
        in_a_batch = tensors[0].shape[0] if tensors and tensors[0].dim() > 0 else 1
        return _core.runs_to_correct_biases(self._planned, in_a_batch)

    def _refine(self, module: nn.Module, samples: list[list[torch.Tensor]]) -> None:
        if not samples:
            raise _core.Error("no batch has the dummy input's size or a multiple of its batch")
        # Capturing takes seconds. What quantize() made is the module's graph unless it was edited.
        graph = None
        if self._graph and all(fake.quantizing for _, fake in fake_quantizers(module)):
            graph, _ = with_own_tensors(self._graph, module)
        changed, self.refined = _core.refine(
            graph or trace(module, self.dummy_input),
            samples,
            round_weights=bool(self.config.get("adaptive_rounding")),
            correct_bias=bool(self.config.get("bias_correction", True)),
        )
        own = dict(module.named_parameters())
        with torch.no_grad():
            for name, value in changed.items():
                own[name].copy_(torch.tensor(value))

    def freeze(self) -> nn.Module:
        """Compute the scales from what was observed, with one for parts of a concatenation that
        differ little, and round the biases to the integers that the device adds; the module is
        ready to convert, and computes what the file will."""
        if self.module is None:
            raise _core.Error("Nothing was observed: call quantize() and run calibration data.")
        _check_observed(
            self.module,
            "Run representative inputs through the module that quantize() returned, then call "
            "freeze().",
        )
        set_calibrating(self.module, False)
        set_observers(self.module, False)
        self._frozen = True
        graph = self._graph or trace(self.module.eval(), self.dummy_input)
        share_scales(self.module, graph)
        return round_biases(self.module, graph=graph)

    def convert(self, module: nn.Module | None = None) -> nn.Module:
        """The module ready for TFLiteConverter: freeze(), unless calibrate() did it already.

        ``module``: what quantize() returned, if it was calibrated elsewhere (a copy, unwrapped
        from DataParallel).
        """
        if module is not None and module is not self.module:
            self.module, self._frozen = module, False
        if self.module is not None and self._frozen:
            return self.module
        return self.freeze()


class DynamicQuantizer(_Quantizer):
    """Rounds weights to int8 and leaves activations float: a file of a quarter of the size, without
    calibration data or training.

    Convolutions (batch norms folded), linear, recurrent layers and embeddings get FakeQuants for
    their weights. The module can be finetuned, and its code in ``work_dir`` edited, like that of
    QATQuantizer; TFLiteConverter writes it in the precision "dynamic_range", where the runtime
    quantizes the activations of each inference by their range. ``report`` lists the operators
    with matrices of parameters that have none.
    ``config`` as for QATQuantizer, as far as it concerns weights.
    """

    weights_only = True

    def quantize(self) -> nn.Module:
        """The module with rounded weights, in eval mode: ready to convert, or to finetune."""
        self.module = self._make_module()
        return self.module

    def convert(self, module: nn.Module | None = None) -> nn.Module:
        """The module, finetuned or not, in eval mode."""
        module = (self.module or self.quantize()) if module is None else module
        return module.eval()


def _check_observed(module: nn.Module, remedy: str) -> None:
    unseen = [
        name
        for name, quantizer in fake_quantizers(module)
        if isinstance(quantizer, FakeQuantize) and not quantizer.has_observed()
    ]
    if unseen:
        raise _core.Error(f"No calibration data reached {', '.join(unseen)}. {remedy}")
