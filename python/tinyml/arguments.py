"""Example inputs and batches in every form that is accepted: a tensor, a tuple or list of
positional arguments, a dict of keyword arguments; each argument may be nested."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch

from tinyml._core import Error


def as_arguments(
    example_inputs: Any, kwargs: Mapping[str, Any] | None = None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments of the call."""
    keywords = dict(kwargs or {})
    if example_inputs is None:
        return (), keywords
    if isinstance(example_inputs, Mapping):
        return (), {**example_inputs, **keywords}
    if isinstance(example_inputs, Sequence) and not isinstance(example_inputs, str):
        return tuple(example_inputs), keywords
    return (example_inputs,), keywords


def call(model: Callable[..., Any], inputs: Any) -> Any:
    """The model on inputs of any form."""
    args, kwargs = as_arguments(inputs)
    return model(*args, **kwargs)


def tensors_of(inputs: Any, example: Any) -> list[torch.Tensor]:
    """The tensors of the arguments, in the order in which a capture on `example` has them.

    Raises tinyml.Error where the structures differ.
    """
    found: list[torch.Tensor] = []
    _collect(as_arguments(inputs), as_arguments(example), "", found)
    return found


def _collect(value: Any, like: Any, where: str, found: list[torch.Tensor]) -> None:
    if isinstance(like, torch.Tensor):
        if not isinstance(value, torch.Tensor):
            raise Error(f"a batch has {type(value).__name__} where the example has a tensor{where}")
        found.append(value)
    elif isinstance(like, Mapping):
        if not isinstance(value, Mapping) or set(value) != set(like):
            names = sorted(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
            raise Error(
                f"a batch has {names} where the example has {sorted(map(str, like))}{where}"
            )
        for key, item in like.items():
            _collect(value[key], item, f" in '{key}'", found)
    elif isinstance(like, tuple | list):
        if not isinstance(value, tuple | list) or len(value) != len(like):
            size = len(value) if isinstance(value, tuple | list) else 1
            raise Error(f"a batch has {size} values where the example has {len(like)}{where}")
        for item, part in zip(value, like, strict=True):
            _collect(item, part, where, found)
    elif is_dataclass(like):
        for field in fields(like):
            name = field.name
            _collect(getattr(value, name), getattr(like, name), f" in '{name}'", found)


def samples_of(inputs: Any, example: Any, *, strict: bool = True) -> list[list[torch.Tensor]]:
    """A batch in parts of the example's shapes, which a capture on it has: the tensors of each.

    Warns of examples left over. Raises tinyml.Error where no part has the example's shapes;
    without ``strict`` there is no warning, and nothing comes back then.
    """
    tensors = [tensor.detach().cpu() for tensor in tensors_of(inputs, example)]
    sizes = [tensor.shape for tensor in tensors_of(example, example)]
    if [tensor.shape for tensor in tensors] == sizes:
        return [[tensor.contiguous() for tensor in tensors]]
    counts = {len(t) for t, size in zip(tensors, sizes, strict=True) if size and t.dim()}
    fits = len(counts) == 1 and all(
        size and t.dim() and t.shape[1:] == size[1:] for t, size in zip(tensors, sizes, strict=True)
    )
    wanted = max((size[0] for size in sizes if size), default=0)
    whole = min(counts, default=0) // wanted if wanted else 0
    if not fits or not whole or any(size[0] != wanted for size in sizes):
        if not strict:
            return []
        raise Error(
            f"a batch of shapes {[list(t.shape) for t in tensors]} does not divide into parts of "
            f"the example's, {[list(size) for size in sizes]}"
        )
    left = counts.pop() - whole * wanted
    if left and strict:
        warnings.warn(
            f"{left} examples of a batch are left out: the model takes {wanted} at once",
            stacklevel=2,
        )
    return [
        [tensor[i * wanted : (i + 1) * wanted].contiguous() for tensor in tensors]
        for i in range(whole)
    ]
