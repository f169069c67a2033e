"""Options of TFLiteConverter that other converters' users know, and what they mean here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from tinyml._core import Error

Flags = bool | None | Sequence[bool | None]

# Options that are accepted and change nothing: what they ask for is done anyway, or has no
# counterpart here. The text is for the user.
NEEDLESS: dict[str, str] = {
    "missing_outputs_as_constants": "outputs that depend on no input are always written",
    "group_conv_rewrite": "grouped convolutions are written in the form that the target runs",
    "rewrite_quantizable": "operators with FakeQuants around them are quantized where the target "
    "has a kernel that pays",
    "strict_symmetric_check": "weights and int16 activations are always symmetric, and checked",
    "separated_rnn_gate_calc": "gates are computed together or apart as is fastest",
    "map_bilstm_to_lstm": "a bidirectional layer is always two chains",
    "conv_transpose_with_bias": "a missing bias is always written as zeros",
    "gc_when_reload": "a conversion keeps one copy of the weights",
    "optimize": "every pass always runs",
    "bypass_elementwise_passthrough_constraint": "the layout is solved exactly",
    "hybrid_conv": "convolutions take part in dynamic_range",
    "hybrid_int16_lstm": "recurrent layers take part in dynamic_range",
}

# Options of other converters that mean something that is not done here, and the way out.
REFUSED: dict[str, str] = {
    "enable_mtk_ops": "custom operators of one vendor are not written: leave it out",
    "hybrid_config": "choose the precision of single layers by FakeQuants: PostQuantizer with an "
    "override for each",
    "hybrid_gen_single_op_models": "to look at single layers use preserve_tensors=True",
    "dump_jit_model_path": "TorchScript is not used: save the captured model with "
    "tinyml.trace(model, x).save(path)",
    "dump_config_path": "the command line takes the same options: tinyml convert --help",
    "dump_dummy_input_path": "save the example with numpy.save",
    "legacy_gelu": "GELU is exact where PyTorch's is",
}


def check_unknown(unknown: dict[str, Any], known: Iterable[str]) -> None:
    """Lets needless options pass. Raises tinyml.Error for the others, naming the nearest one."""
    problems = []
    names = sorted({*known, *NEEDLESS, *REFUSED})
    for name, value in unknown.items():
        if name in NEEDLESS:
            continue
        if name in REFUSED:
            if value:
                problems.append(f"{name}: {REFUSED[name]}")
            continue
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        problems.append(f"TFLiteConverter has no option {name}{hint}")
    if problems:
        raise Error("; ".join(problems))


def as_flags(name: str, value: Flags) -> list[bool | None]:
    """One entry for each input or output, or one for all; [] when nothing is said."""
    if value is None:
        return []
    if isinstance(value, bool):
        return [value]
    flags = list(value)
    if any(flag is not None and not isinstance(flag, bool) for flag in flags):
        raise Error(f"{name} takes True, False or None, or a list of them: {value!r}")
    return flags


def boundary_type(
    given: Any, *, fuse_quant_dequant: bool, quantize_target_type: str
) -> tuple[Any, bool]:
    """The type of inputs and outputs, and whether those without a scale may stay float."""
    if quantize_target_type not in ("int8", "uint8", "int16"):
        raise Error(
            f"quantize_target_type is {quantize_target_type!r}; it can be 'int8', 'uint8' or "
            "'int16'"
        )
    if given is not None or not fuse_quant_dequant:
        return given, fuse_quant_dequant and isinstance(given, str)
    return quantize_target_type, True


def target_of(target: str, tflite_micro_rewrite: bool) -> str:
    if not tflite_micro_rewrite or target == "tflite-micro":
        return target
    if target != "litert":
        raise Error(f"tflite_micro_rewrite=True and target='{target}' contradict each other")
    return "tflite-micro"
