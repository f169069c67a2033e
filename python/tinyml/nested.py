"""Tensors in nested tuples, lists, dictionaries and dataclasses, as models take and return them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch


def leaves(value: Any) -> list[torch.Tensor]:
    """The tensors in nested tuples, lists, dictionaries and dataclasses, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, tuple | list):
        return [leaf for item in value for leaf in leaves(item)]
    if is_dataclass(value):
        return [leaf for item in fields(value) for leaf in leaves(getattr(value, item.name))]
    return []


def with_leaf(value: Any, index: int, leaf: torch.Tensor) -> Any:
    """A copy of a nested structure with its tensor number `index` replaced."""
    position = -1

    def copy(item: Any) -> Any:
        nonlocal position
        if isinstance(item, torch.Tensor):
            position += 1
            return leaf if position == index else item
        if isinstance(item, Mapping):
            return {key: copy(part) for key, part in item.items()}
        if isinstance(item, tuple | list):
            make = getattr(type(item), "_make", type(item))  # of a named tuple
            return make([copy(part) for part in item])
        if is_dataclass(item) and not isinstance(item, type):
            names = [field.name for field in fields(item) if field.init]
            return replace(item, **{name: copy(getattr(item, name)) for name in names})
        return item

    return copy(value)
