"""From a PyTorch model to a Graph."""

from __future__ import annotations

import inspect
import linecache
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from tinyml._core import Diagnostic, Error, Graph
from tinyml.arguments import as_arguments
from tinyml.callables import as_module, with_script_state, without_script_operators
from tinyml.meta_kernels import register as register_meta_kernels
from tinyml.plain_tuples import plain_tuples
from tinyml.quantized_tensors import is_quantized

register_meta_kernels()

_LIBRARY_FOLDERS = (str(Path(torch.__file__).parent), str(Path(__file__).absolute().parent))

# Words in torch's message -> what the user can do.
_REMEDIES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("ranges are still being collected",),
        "end the calibration first: convert() of the quantizer, or leave the 'with calibrating' "
        "block",
    ),
    (
        ("data-dependent", "data dependent", "unbacked"),
        "a decision depends on values that are known only at run time: replace the Python branch "
        "by torch.cond or torch.where, avoid .item(), or state what holds with torch._check(...)",
    ),
    (
        ("constraints violated", "constraint violated", "dynamic_shapes", "specialized"),
        "adjust dynamic_shapes as suggested, or leave the dimension out to make it constant",
    ),
    (
        ("quantized nyi", "quantizedcpu", "classes.quantized"),
        "quantized tensors can be captured in models that torch.ao.quantization has converted, "
        "between QuantStub and DeQuantStub; or pass the float model and quantize it with "
        "QATQuantizer or PostQuantizer",
    ),
    (
        ("positional argument", "unexpected keyword", "required positional", "missing a required"),
        "example_inputs must match the signature of the model's forward: a tensor, a tuple of "
        "positional arguments, or a dict of keyword arguments",
    ),
    (
        ("numpy.ndarray",),
        "pass tensors: torch.from_numpy(array)",
    ),
    (
        ("register a pytree", "serialized_type_name"),
        "register the class with torch.export.register_dataclass(cls, serialized_type_name=...), "
        "or take and return tensors, tuples, lists and dictionaries",
    ),
    (
        ("mutat", "aliasing"),
        "return the tensor instead of changing state that outlives the call",
    ),
)
_PACKED_REMEDY = (
    "a packed sequence has a number of steps for each example that only its values tell: leave "
    "pack_padded_sequence and pad_packed_sequence out and give the layer the padded tensor. A "
    "single full-length example (batch 1, as devices run it) gives the same. With shorter ones, of "
    "a layer of one direction, the outputs at their own steps are the same, too: the last is "
    "y[torch.arange(batch), lengths - 1]; multiply by a mask what lies behind"
)
_DEFAULT_REMEDY = (
    "check that model(*example_inputs) runs; Python code that torch.export cannot follow "
    "(other libraries, NumPy, printing of values) must leave forward"
)


def trace(
    model: nn.Module | Callable[..., Any],
    example_inputs: Any = None,
    dynamic_shapes: Any = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    training_code: bool = False,
) -> Graph:
    """Capture a model's graph by running it on example inputs.

    The graph has the behaviour of ``model.eval()``, whatever mode the model is in (its modes are
    as before afterwards). Batch norm and dropout stay operators of their own, so that later steps
    can switch them back to training. The weights are copied: later changes of the model do not
    reach the graph. A plain function, and a scripted or traced module or function, is captured by
    running it.

    A named tuple that is not registered with PyTorch, or what ``torch.topk`` and the like return,
    is captured as a plain tuple.

    A model that torch.ao.quantization has converted (eager or FX graph mode) is captured with
    FakeQuants of the same scales and zero points.

    example_inputs: a tensor, a tuple or list of positional arguments, or a dict of keyword
        arguments of ``forward``.
    dynamic_shapes: which dimensions may vary, as for ``torch.export.export``.
    kwargs: further keyword arguments of ``forward``.
    training_code: take the side of ``if self.training`` that training takes, in every module but
        those of torch.nn: batch norm still uses its running statistics.

    Raises tinyml.Error with the line of the model's code that cannot be captured, and the way out.
    """
    model = as_module(model)
    args, keywords = as_arguments(example_inputs, kwargs)
    if isinstance(model, nn.Module) and is_quantized(model):
        from tinyml.from_quantized import from_quantized

        model = from_quantized(model)
    with (
        capture_modes(model, training_code),
        tempfile.TemporaryDirectory(prefix="tinyml-") as folder,
    ):
        path = os.path.join(folder, "model.pt2")
        try:
            try:
                _export(model, args, keywords, dynamic_shapes, path)
            except NotImplementedError as error:
                if "serializ" not in str(error).lower():  # of a class in the inputs or outputs
                    raise
                with plain_tuples(model, args, keywords) as (plain_args, plain_keywords):
                    _export(model, plain_args, plain_keywords, dynamic_shapes, path)
        except Exception as error:
            raise _explain(error, model) from error
        return Graph.load(path)


def _export(
    model: nn.Module,
    args: tuple[Any, ...],
    keywords: dict[str, Any],
    dynamic_shapes: Any,
    path: str,
) -> None:
    """Writes the model's archive."""
    program = torch.export.export(
        model, args, keywords, dynamic_shapes=dynamic_shapes, strict=False
    )
    # A file costs one copy of the weights (the mapping outlives the unlinked file); a BytesIO costs
    # two.
    torch.export.save(without_script_operators(with_script_state(program, model)), path)


@contextmanager
def capture_modes(model: nn.Module, training_code: bool = False) -> Iterator[None]:
    """Eval mode for the block, but that of the user's own modules where `training_code` is set;
    afterwards every module has its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        for module, _ in modes:
            if training_code and not type(module).forward.__module__.startswith("torch.nn."):
                module.training = True
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _explain(error: Exception, model: nn.Module) -> Error:
    """The user's line, the module and the remedy behind an exception of torch.export."""
    message = _summary(error)
    text = f"{type(error).__name__} {error}".lower()
    remedy = next(
        (remedy for words, remedy in _REMEDIES if any(word in text for word in words)),
        _DEFAULT_REMEDY,
    )
    if _reads_packed_sequence(error):
        remedy = _PACKED_REMEDY
    frame, line = _user_frame(error)
    file = frame.f_code.co_filename if frame else ""
    diagnostic = Diagnostic(
        what=f"the model cannot be captured: {message}",
        module_path=_module_path(error, model),
        file=file,
        line=line,
        source=linecache.getline(file, line).strip() if file else "",
        remedy=remedy,
    )
    result = Error(str(diagnostic))
    result.diagnostics = [diagnostic]
    return result


def _summary(error: Exception) -> str:
    """The first paragraph of torch's message and its suggested fixes."""
    paragraphs = str(error).strip().split("\n\n")
    kept = paragraphs[:1] + [
        part for part in paragraphs[1:] if part.lstrip().lower().startswith("suggested fixes")
    ]
    return f"{type(error).__name__}: " + "\n".join(kept)[:2000]


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """Frames of an exception and of those that caused it, outermost first."""
    seen: set[int] = set()
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        chain.append(current)
        current = current.__cause__ or current.__context__
    for exception in chain:
        traceback = exception.__traceback__
        while traceback is not None:
            yield traceback.tb_frame, traceback.tb_lineno
            traceback = traceback.tb_next


def _reads_packed_sequence(error: Exception) -> bool:
    return any(
        isinstance(value, PackedSequence)
        for frame, _ in _frames(error)
        for value in frame.f_locals.values()
    )


def _user_frame(error: Exception) -> tuple[FrameType | None, int]:
    """The innermost frame outside torch and tinyml."""
    found: tuple[FrameType | None, int] = (None, 0)
    for frame, line in _frames(error):
        file = os.path.abspath(frame.f_code.co_filename)
        if not file.startswith(_LIBRARY_FOLDERS) and os.path.isfile(file) and _is_user_code(frame):
            found = (frame, line)
    return found


def _is_user_code(frame: FrameType) -> bool:
    """Not the standard library: contextlib and functools stand between torch's own frames."""
    return (
        not os.path.abspath(frame.f_code.co_filename).startswith(
            str(Path(inspect.__file__).parent) + os.sep
        )
        or "site-packages" in frame.f_code.co_filename
    )


def _module_path(error: Exception, model: nn.Module) -> str:
    """Dotted path of the innermost module whose forward was running."""
    names = {id(module): name for name, module in model.named_modules()}
    path = ""
    for frame, _ in _frames(error):
        if frame.f_code.co_name == "forward":
            path = names.get(id(frame.f_locals.get("self")), path)
    return path
