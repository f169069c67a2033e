"""What is accepted where a module is wanted: plain functions and TorchScript."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.export.graph_signature import InputKind

from tinyml._core import Error


def as_module(model: Any) -> nn.Module:
    """An nn.Module that torch.export can capture, with the arguments' names of the original.

    A plain function becomes the ``forward`` of a module. A scripted or traced module or function is
    run as it is, in eval mode, under the capture: branches and loops are resolved for the example.
    """
    if isinstance(model, torch.jit.ScriptModule | torch.jit.ScriptFunction):
        return _from_script(model)
    if isinstance(model, nn.Module):
        return model
    if callable(model) and not isinstance(model, type):
        return _from_function(model)
    raise Error(
        f"expected an nn.Module or a function, got {type(model).__name__}: pass the model itself, "
        "not its class, its weights or a path"
    )


def without_script_operators(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """The program with the operators that only traced modules hold in their public form."""
    script_convolution = torch.ops.aten._convolution.default
    if all(node.target is not script_convolution for node in program.graph.nodes):
        return program
    return program.run_decompositions(
        {script_convolution: lambda *args: torch.ops.aten.convolution.default(*args[:9])}
    )


def with_script_state(
    program: torch.export.ExportedProgram, model: nn.Module
) -> torch.export.ExportedProgram:
    """The program, changed in place: a scripted module's parameters and buffers have their names.

    torch.export sees them as tensors that a function holds, constants without a name.
    """
    if not isinstance(model, _Script) or not isinstance(model.script, torch.jit.ScriptModule):
        return program
    state: dict[int, tuple[InputKind, str, torch.Tensor]] = {}
    for name, buffer in model.script.named_buffers():
        state[buffer.data_ptr()] = (InputKind.BUFFER, name, buffer)
    for name, parameter in model.script.named_parameters():
        state[parameter.data_ptr()] = (InputKind.PARAMETER, name, nn.Parameter(parameter))
    for spec in program.graph_signature.input_specs:
        if spec.kind is not InputKind.CONSTANT_TENSOR or spec.target is None:
            continue
        tensor = program.constants[spec.target]
        known = state.get(tensor.data_ptr())
        if known is None or not tensor.numel() or known[2].shape != tensor.shape:
            continue
        del program.constants[spec.target]
        spec.kind, spec.target, program.state_dict[known[1]] = known
        spec.persistent = True if spec.kind is InputKind.BUFFER else None
    return program


def is_model(value: Any) -> bool:
    """Whether ``as_module`` takes it and an example is needed to capture it."""
    return isinstance(value, nn.Module) or (callable(value) and not isinstance(value, type))


class _Function(nn.Module):
    """A function as a module; torch.export reads the arguments' names off ``forward``."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.forward = function


class _Script(_Function):
    """A scripted module or function; not a submodule, whose state torch.export would refuse."""

    def __init__(self, script: Any, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._script = (script,)

    @property
    def script(self) -> Any:
        return self._script[0]


def _from_function(function: Callable[..., Any]) -> nn.Module:
    owner = getattr(function, "__self__", None)
    if isinstance(owner, nn.Module) and function == owner.forward:
        return owner
    return _Function(function)


def _from_script(model: Any) -> nn.Module:
    # A copy: eval() must not change the caller's, and torch.export cannot run a module that was
    # scripted in this process, only one that was loaded.
    file = io.BytesIO()
    torch.jit.save(model, file)
    file.seek(0)
    copy = torch.jit.load(file, map_location="cpu").eval()

    def forward(*args: Any, **kwargs: Any) -> Any:
        return copy(*args, **kwargs)

    arguments = [argument for argument in copy.forward.schema.arguments if argument.name != "self"]
    forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                argument.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=argument.default_value
                if argument.has_default_value()
                else inspect.Parameter.empty,
            )
            for argument in arguments
        ]
    )
    return _Script(copy, forward)
