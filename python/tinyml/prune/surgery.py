"""Cutting and masking the tensors of a live module by a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from tinyml import _core
from tinyml._core import PruningPlan
from tinyml.prune.attributes import Assignment


class Surgery:
    """Cuts a live module by a plan, and can undo it exactly."""

    def __init__(self, model: nn.Module, plan: PruningPlan) -> None:
        self._model = model
        self._undo: list[tuple[Any, str, Any]] = []
        self.missing: list[str] = []
        """Constants of the plan that no attribute of the model holds."""
        self._cuts: dict[int, list[_core.Cut]] = {}
        dimensions: set[tuple[int, int]] = set()
        for cut in plan.cuts:
            owner, _, name = cut.parameter.rpartition(".")
            tensor = attribute_of(model, owner, name)
            if tensor is None:
                self.missing.append(cut.parameter)
            elif (id(tensor), cut.dimension) not in dimensions:  # Tied weights have several names.
                dimensions.add((id(tensor), cut.dimension))
                self._cuts.setdefault(id(tensor), []).append(cut)

    def indices(self) -> dict[nn.Module, dict[str, dict[int, list[int]]]]:
        """What goes, for each module."""
        result: dict[nn.Module, dict[str, dict[int, list[int]]]] = {}
        for module, name, tensor in self._slots():
            for cut in self._cuts[id(tensor)]:
                kept = set(cut.kept)
                removed = [index for index in range(cut.size) if index not in kept]
                result.setdefault(module, {}).setdefault(name, {})[cut.dimension] = removed
        return result

    def cut(
        self,
        before: list[tuple[str, dict[str, int]]],
        after: list[tuple[str, dict[str, int]]],
        buffers: Mapping[str, Any],
    ) -> None:
        """Cut tensors and the attributes that repeat their sizes.

        A Parameter remains the object that it is, with its hooks and attributes, so that who holds
        it (an optimizer that has not stepped, another module) holds what was cut; other tensors are
        replaced.
        before, after: _core.module_sizes(). buffers: of the pruned graph; indices of channels are
        taken from there, since what is left of the channels has other numbers.
        """
        made: dict[int, torch.Tensor] = {}  # Shared tensors stay shared.
        for module, name, tensor in list(self._slots()):
            cuts = self._cuts[id(tensor)]
            if isinstance(tensor, nn.Parameter):
                if id(tensor) not in made:
                    made[id(tensor)] = tensor
                    self._cut_parameter(tensor, cuts)
                continue
            if id(tensor) not in made:
                known = None if tensor.is_floating_point() else buffers.get(cuts[0].parameter)
                made[id(tensor)] = (
                    _cut_data(tensor.detach(), cuts)
                    if known is None
                    else torch.from_dlpack(known).clone().to(tensor.device)
                )
            self._set(module, name, made[id(tensor)])
        sizes = dict(after)
        for path, attributes in before:
            module = self._model.get_submodule(path)
            for name, size in attributes.items():
                new = sizes.get(path, {}).get(name, size)
                if new != size and getattr(module, name, None) == size:
                    self._set(module, name, new)

    def mark(self) -> int:
        """A point to `restore` to."""
        return len(self._undo)

    def assign(self, assignment: Assignment) -> None:
        for module, name, size in assignment:
            self._set(module, name, size)

    def restore(self, mark: int = 0) -> None:
        while len(self._undo) > mark:
            owner, name, value = self._undo.pop()
            setattr(owner, name, value)

    def _set(self, owner: nn.Module, name: str, value: Any) -> None:
        self._undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def _cut_parameter(self, parameter: nn.Parameter, cuts: list[_core.Cut]) -> None:
        """Its gradient, if any, is cut alike."""
        data, gradient = _cut_data(parameter.detach(), cuts), parameter.grad
        self._set(parameter, "grad", None)  # A gradient has the shape of the data at all times.
        self._set(parameter, "data", data)
        if gradient is not None:
            self._set(parameter, "grad", _cut_data(gradient, cuts))

    def _slots(self) -> Iterator[tuple[nn.Module, str, torch.Tensor]]:
        """Every place in the model that holds a tensor to cut."""
        for module in self._model.modules():
            held = [
                *module.named_parameters(recurse=False, remove_duplicate=False),
                *module.named_buffers(recurse=False, remove_duplicate=False),
                *((name, value) for name, value in vars(module).items()),
            ]
            for name, value in held:
                if isinstance(value, torch.Tensor) and id(value) in self._cuts:
                    yield module, name, value


@torch.no_grad()
def _cut_data(data: torch.Tensor, cuts: list[_core.Cut]) -> torch.Tensor:
    """A new tensor of what stays, in the memory format that the old one has."""
    channels_last = next((form for form in _CHANNELS_LAST if _is_only(data, form)), None)
    rows = next((cut.kept for cut in cuts if cut.dimension == 0), list(range(data.shape[0])))
    grouped = next((cut for cut in cuts if cut.groups > 1), None)
    if grouped is not None:
        data = _cut_groups(data, rows, grouped)
    for cut in cuts:
        if cut.groups > 1 or (grouped is not None and cut.dimension == 0):
            continue
        data = data.index_select(cut.dimension, torch.tensor(cut.kept, device=data.device))
    return data if channels_last is None else data.contiguous(memory_format=channels_last)


_CHANNELS_LAST = {torch.channels_last: 4, torch.channels_last_3d: 5}


def _is_only(data: torch.Tensor, form: torch.memory_format) -> bool:
    return (
        data.dim() == _CHANNELS_LAST[form]
        and data.is_contiguous(memory_format=form)
        and not data.is_contiguous()
    )


def _cut_groups(data: torch.Tensor, rows: list[int], cut: _core.Cut) -> torch.Tensor:
    """Each group's remaining rows with the group's own remaining columns."""
    row_run, column_run = data.shape[0] // cut.groups, cut.size // cut.groups
    parts = []
    for group in range(cut.groups):
        own_rows = [row for row in rows if row // row_run == group]
        columns = [kept % column_run for kept in cut.kept if kept // column_run == group]
        if own_rows:
            part = data.index_select(0, torch.tensor(own_rows, device=data.device))
            parts.append(part.index_select(1, torch.tensor(columns, device=data.device)))
    return torch.cat(parts)


def attribute_of(model: nn.Module, path: str, name: str) -> torch.Tensor | None:
    try:
        value = getattr(model.get_submodule(path), name, None)
    except AttributeError:
        return None
    return value if isinstance(value, torch.Tensor) else None
