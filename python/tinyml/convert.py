"""TFLiteConverter: from a PyTorch model to a verified .tflite file."""

from __future__ import annotations

import inspect
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from tinyml import _core
from tinyml._core import Error, Graph
from tinyml.arguments import as_arguments
from tinyml.boundary import (
    BoundaryOption,
    Statistics,
    StatisticsOption,
    raw_input,
    resolve_statistics,
    resolve_types,
)
from tinyml.callables import as_module, is_model
from tinyml.capture import trace
from tinyml.nested import leaves, with_leaf
from tinyml.options import Flags, as_flags, boundary_type, check_unknown, target_of
from tinyml.precision import resolve_precision, rounds_weights_only
from tinyml.quantized_tensors import is_quantized
from tinyml.verification import OutputError, measure_error, run_tflite

_FLOAT_TOLERANCE = 1e-3  # of the output's range
_INT8_SNR_DB = 20.0
_FLOAT16_SNR_DB = 40.0


@dataclass(frozen=True)
class Conversion:
    """What a conversion made."""

    path: str
    size: int
    """Bytes of the file."""
    operators: dict[str, int]
    """How many operators of each kind."""
    transposes: list[str]
    """The TRANSPOSE operators in the file, each with the reason."""
    input_orders: list[list[int]]
    """For each input: dimension i of the file's is dimension order[i] of PyTorch's."""
    output_orders: list[list[int]]
    target: str = "litert"
    target_issues: list[str] = field(default_factory=list)
    """Operators that the target does not accept, each with the reason."""
    notes: list[str] = field(default_factory=list)
    """What could not be done as asked, such as weights that had to stay float32."""
    errors: list[OutputError] = field(default_factory=list)
    """With verify=True: one entry for each output."""

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.operators.items()))
        lines = [
            f"{self.path}: {self.size} bytes, {sum(self.operators.values())} operators: {counts}"
        ]
        lines += [f"  TRANSPOSE {transpose}" for transpose in self.transposes]
        lines += [f"  not on {self.target}: {issue}" for issue in self.target_issues]
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  {error}" for error in self.errors]
        return "\n".join(lines)


class TFLiteConverter:
    """Converts a model to a .tflite file.

    model: an nn.Module (float, or with FakeQuants from QATQuantizer or PostQuantizer), a plain
        function, a scripted or traced module or function, a Graph, or the path of a .pt2 archive.
    dummy_input: a tensor, a tuple of the model's arguments or a dict of its keyword arguments;
        needed for all but a Graph and an archive, and for `verify`.
    tflite_path: the file to write.
    nchw_transpose: images in and out are NHWC in the file; False keeps PyTorch's order.
    input_transpose, output_transpose: the same for single inputs and outputs (rank 3 or more): a
        list with True, False or None (as nchw_transpose decides) for each, or one for all.
    quantize_input_output_type: "float32" (or None), "int8", "uint8" or "int16" for the inputs and
        outputs of a quantized model; a list with one type for each input, then each output; or a
        dict of names to types.
    quantize_target_type: what 8-bit FakeQuants become: "int8"; "uint8", for runtimes without int8
        kernels (weights need one scale a tensor); "int16" activations with int8 weights.
    fuse_quant_dequant: inputs and outputs that have a scale are integers in the file, of
        `quantize_input_output_type` or, without that, of `quantize_target_type`.
    fuse_input_indices, fuse_output_indices: which inputs and outputs the type is for; None: all.
    input_statistics: inputs that the file takes unnormalised: the model gets (x - mean) / std. A
        (mean, std) for the only input, a list with one (or None) for each, or a dict by name; mean
        and std are numbers or one number for each channel. With "uint8" the file takes pixels, and
        the tensor's scale is 1 / std, its zero point the mean.
    precision: of what has no FakeQuant: "float32"; "float16" (weights of half the size, computed in
        float); "dynamic_range" (int8 weights, activations quantized at run time by their own
        range). `float16_quantization=True` and `hybrid_quantization_from_float=True` say the same.
    hybrid_per_channel, hybrid_asymmetric_inputs: for "dynamic_range": a scale for each output
        channel of the weights, a zero point for the activations.
    output_names: names of the outputs in the file's signature.
    target: whose kernels the file is made for: "litert" (LiteRT with XNNPACK), "litert-builtin"
        (without a delegate), "tflite-micro" or "ethos-u".
    forms: overrules the choice of forms (see docs/conversion.md): "+fold-width" writes that form
        wherever it applies, "-tables" never.
    tflite_micro_rewrite: True is target="tflite-micro".
    max_transpose_dims: no TRANSPOSE in the file has more dimensions (3 or more); -1: any number.
    preserve_tensors: what goes from one module to another is an output of the file too, under the
        module's path: to compare with PyTorch layer by layer.
    verify: run the file in LiteRT against PyTorch and raise tinyml.Error when an output is out of
        tolerance.
    tolerance: largest error allowed by `verify`: for float models the maximal error over the
        output's range (default 1e-3), for quantized ones the signal-to-noise ratio in dB at least
        reached (default 20).
    dynamic_shapes: which dimensions of an nn.Module's arguments may vary, as for
        `torch.export.export`; -1 in the file's signature.
    dump_passes: directory that gets the model after every pass.
    recurrent: how LSTM, GRU and RNN layers are written: "unrolled" (the default: the fastest),
        "fused" (LSTM only: the smallest graph) or "while" (a loop).
    unroll_rnn: True is recurrent="unrolled", False recurrent="fused".
    Options that users of other converters know and that are needless here are accepted; they and
    the reasons are in tinyml.options.NEEDLESS. An unknown option is an error.
    """

    def __init__(
        self,
        model: nn.Module | Callable[..., Any] | Graph | str | os.PathLike[str],
        dummy_input: Any = None,
        tflite_path: str | os.PathLike[str] = "model.tflite",
        *,
        nchw_transpose: bool = True,
        input_transpose: Flags = None,
        output_transpose: Flags = None,
        quantize_input_output_type: BoundaryOption = None,
        quantize_target_type: str = "int8",
        fuse_quant_dequant: bool = False,
        fuse_input_indices: Sequence[int] | None = None,
        fuse_output_indices: Sequence[int] | None = None,
        input_statistics: StatisticsOption = None,
        precision: str | None = None,
        float16_quantization: bool = False,
        hybrid_quantization_from_float: bool = False,
        hybrid_per_channel: bool = True,
        hybrid_asymmetric_inputs: bool = True,
        hybrid_quantize_weight_type: str | None = None,
        output_names: Sequence[str] = (),
        target: str = "litert",
        forms: Sequence[str] = (),
        tflite_micro_rewrite: bool = False,
        preserve_tensors: bool = False,
        max_transpose_dims: int = -1,
        verify: bool = False,
        tolerance: float | None = None,
        dump_passes: str | os.PathLike[str] | None = None,
        dynamic_shapes: Any = None,
        recurrent: str | None = None,
        unroll_rnn: bool | None = None,
        **others: Any,
    ) -> None:
        check_unknown(others, inspect.signature(TFLiteConverter).parameters)
        self.model = as_module(model) if is_model(model) else model
        self.dummy_input = dummy_input
        self.dynamic_shapes = dynamic_shapes
        self.tflite_path = Path(tflite_path)
        self.nchw_transpose = nchw_transpose
        self.quantize_target_type = quantize_target_type
        self.input_transpose = as_flags("input_transpose", input_transpose)
        self.output_transpose = as_flags("output_transpose", output_transpose)
        self.quantize_input_output_type, self.fuse_where_possible = boundary_type(
            quantize_input_output_type,
            fuse_quant_dequant=fuse_quant_dequant,
            quantize_target_type=quantize_target_type,
        )
        self.fuse_input_indices = fuse_input_indices
        self.fuse_output_indices = fuse_output_indices
        self.preserve_tensors = preserve_tensors
        self.max_transpose_dims = max_transpose_dims
        if hybrid_quantize_weight_type not in (None, "int8"):
            raise Error(
                f"hybrid_quantize_weight_type is {hybrid_quantize_weight_type!r}: the runtimes' "
                "kernels take int8 weights only"
            )
        self.input_statistics = input_statistics
        if precision is None and isinstance(model, nn.Module) and is_quantized(model):
            from tinyml.from_quantized import has_dynamic_layers

            hybrid_quantization_from_float |= has_dynamic_layers(model)
        elif precision is None and isinstance(model, nn.Module) and not float16_quantization:
            hybrid_quantization_from_float |= rounds_weights_only(model)
        self.precision = resolve_precision(
            precision, float16_quantization, hybrid_quantization_from_float
        )
        self.hybrid_per_channel = hybrid_per_channel
        self.hybrid_asymmetric_inputs = hybrid_asymmetric_inputs
        self.output_names = list(output_names)
        self.target = target = target_of(target, tflite_micro_rewrite)
        self.forms = list(forms)
        self.verify = verify
        self.tolerance = tolerance
        self.dump_passes = "" if dump_passes is None else os.fspath(dump_passes)
        if target not in _core.target_names():
            names = ", ".join(_core.target_names())
            raise Error(f"'{target}' is no target; use one of {names}")
        self.recurrent = _recurrent_form(recurrent, unroll_rnn)
        if isinstance(self.model, nn.Module) and dummy_input is None:
            raise Error("dummy_input is missing: the model is captured by running it on an example")
        if verify and dummy_input is None:
            raise Error("verify=True needs dummy_input, the values to compare the outputs on")

    def convert(self) -> Conversion:
        """Write the file and report what is in it.

        Raises tinyml.Error, and leaves an existing file as it was, when the model cannot be
        converted; with verify=True also when the file's outputs are out of tolerance.
        """
        graph = self._graph()
        outputs = self.output_names or _core.signature_output_names(graph)
        kind, kinds = resolve_types(self.quantize_input_output_type, graph.input_names, outputs)
        statistics = resolve_statistics(self.input_statistics, graph.input_names)
        result = _core.convert(
            graph,
            nchw_transpose=self.nchw_transpose,
            input_transpose=self.input_transpose,
            output_transpose=self.output_transpose,
            fuse_input_indices=self.fuse_input_indices,
            fuse_output_indices=self.fuse_output_indices,
            fuse_where_possible=self.fuse_where_possible,
            preserve_tensors=self.preserve_tensors,
            max_transpose_dims=self.max_transpose_dims,
            quantize_input_output_type=kind,
            boundary_types=kinds,
            quantize_target_type=self.quantize_target_type,
            input_statistics=statistics,
            output_names=self.output_names,
            dump_passes=self.dump_passes,
            target=self.target,
            forms=self.forms,
            precision=self.precision,
            per_channel_weights=self.hybrid_per_channel,
            asymmetric_quantize_inputs=self.hybrid_asymmetric_inputs,
            recurrent=self.recurrent,
        )
        errors: list[OutputError] = []
        if self.verify:
            errors = self._compare(
                result, statistics, {name: kinds.get(name, kind) for name in statistics}
            )
            self._check(errors, result.quantized)
        self.tflite_path.parent.mkdir(parents=True, exist_ok=True)
        result.write(os.fspath(self.tflite_path))
        return Conversion(
            os.fspath(self.tflite_path),
            self.tflite_path.stat().st_size,
            result.operators,
            [repr(transpose) for transpose in result.transposes],
            result.input_orders,
            result.output_orders,
            self.target,
            [repr(issue) for issue in result.target_issues],
            notes=result.notes,
            errors=errors,
        )

    def _graph(self) -> Graph:
        if isinstance(self.model, Graph):
            return self.model
        if isinstance(self.model, nn.Module):
            with _Eval(self.model):
                return trace(self.model, self.dummy_input, self.dynamic_shapes)
        return Graph.load(os.fspath(cast(str, self.model)))

    def _compare(
        self, result: Any, statistics: Statistics, kinds: dict[str, str]
    ) -> list[OutputError]:
        inputs = [_to_numpy(value) for value in leaves(self.dummy_input)]
        arguments = self.dummy_input
        for index, name in enumerate(result.input_names):
            if name not in statistics:
                continue
            inputs[index], seen = raw_input(inputs[index], statistics[name], kinds[name])
            arguments = with_leaf(arguments, index, torch.from_numpy(seen))
        expected = self._run_torch(arguments)
        actual = run_tflite(
            result.to_bytes(),
            inputs,
            input_orders=result.input_orders,
            output_orders=result.output_orders,
        )
        if self.preserve_tensors:
            actual = actual[: len(expected)]
        if len(expected) != len(actual):
            raise Error(f"the file has {len(actual)} outputs, the model {len(expected)}")
        names = result.output_names[: len(actual)]
        return [
            measure_error(name, _to_numpy(reference), value)
            for name, reference, value in zip(names, expected, actual, strict=True)
        ]

    def _run_torch(self, inputs: Any) -> list[torch.Tensor]:
        arguments, keywords = as_arguments(inputs)
        with torch.no_grad():
            if isinstance(self.model, nn.Module):
                with _Eval(self.model):
                    return list(leaves(self.model(*arguments, **keywords)))
            if not isinstance(self.model, Graph):
                module = torch.export.load(self.model).module()
                return list(leaves(module(*arguments, **keywords)))
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "model.pt2")
                self.model.save(path)
                return list(leaves(torch.export.load(path).module()(*arguments, **keywords)))

    def _check(self, errors: list[OutputError], quantized: bool) -> None:
        if quantized or self.precision == "float16":
            usual = _INT8_SNR_DB if quantized else _FLOAT16_SNR_DB
            least = usual if self.tolerance is None else self.tolerance
            bad = [error for error in errors if not error.snr_db >= least]
            wanted = f"an SNR of {least} dB"
        else:
            most = _FLOAT_TOLERANCE if self.tolerance is None else self.tolerance
            bad = [error for error in errors if not error.relative <= most]
            wanted = f"a maximal error of {100 * most:g} % of the range"
        if bad:
            details = "; ".join(str(error) for error in bad)
            raise Error(f"the converted model is out of tolerance ({wanted}): {details}")


def _recurrent_form(recurrent: str | None, unroll_rnn: bool | None) -> str:
    if unroll_rnn is None:
        return recurrent or "unrolled"
    form = "unrolled" if unroll_rnn else "fused"
    if recurrent not in (None, form):
        raise Error(
            f"recurrent='{recurrent}' and unroll_rnn={unroll_rnn} contradict each other: "
            "give one of them"
        )
    return form


class _Eval:
    """Eval mode inside, every module's own mode again afterwards."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.modes = [(module, module.training) for module in model.modules()]

    def __enter__(self) -> None:
        self.model.eval()

    def __exit__(self, *_: object) -> None:
        for module, training in self.modes:
            module.training = training


def _to_numpy(value: torch.Tensor) -> np.ndarray[Any, Any]:
    if value.is_quantized:
        value = value.dequantize()
    return value.detach().cpu().contiguous().numpy()
