"""Plain numbers among a module's attributes (`self.num_heads`) that its code takes sizes from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TypeAlias

from torch import nn

Size: TypeAlias = int | tuple[int, ...]
Assignment: TypeAlias = list[tuple[nn.Module, str, Size]]

_MOST_ATTEMPTS = 32


def size_assignments(model: nn.Module, sizes: list[tuple[str, int, int]]) -> Iterator[Assignment]:
    """Ways to set attributes after a cut, the likeliest first; trying them tells which is right.

    sizes: (path of a module, a number among the arguments of its operators, that number after the
    cut). An attribute with the first number may mean any of those that it becomes, and one that
    divides it may be a factor of it (`3 * self.head_dim`); of a tuple each number is one of its
    own. Modules of one class are taken to use theirs alike; of torch's own only `nn.Unflatten` has
    such attributes.
    """
    becomes: dict[str, dict[int, set[int]]] = {}
    for path, before, after in sizes:
        becomes.setdefault(path, {}).setdefault(before, set()).add(after)
    choices: dict[tuple[type, str, Size, tuple[Size, ...]], list[nn.Module]] = {}
    for path, meanings in becomes.items():
        module = model.get_submodule(path)
        if type(module).__module__.startswith("torch.nn.") and not isinstance(module, nn.Unflatten):
            continue
        for name, value in vars(module).items():
            if name.startswith("_") or not _is_size(value):
                continue
            options = _meanings(value, meanings)
            if options != [value]:
                choices.setdefault((type(module), name, value, tuple(options)), []).append(module)
    for chosen in itertools.islice(
        itertools.product(*(options for _, _, _, options in choices)), _MOST_ATTEMPTS
    ):
        yield [
            (module, name, size)
            for ((_, name, _, _), modules), size in zip(choices.items(), chosen, strict=True)
            for module in modules
        ]
    if choices:
        yield []  # as they were


def _is_size(value: object) -> bool:
    if isinstance(value, tuple):
        return len(value) > 0 and all(type(item) is int for item in value)
    return type(value) is int


def _meanings(value: Size, meanings: dict[int, set[int]]) -> list[Size]:
    """What an attribute may have to become, what differs from now first."""
    if isinstance(value, tuple):
        return list(itertools.product(*(_numbers(item, meanings) for item in value)))
    return list(_numbers(value, meanings))


def _numbers(value: int, meanings: dict[int, set[int]]) -> list[int]:
    after = meanings.get(value)
    if after is None and value > 1:
        after = {value} | {
            new * value // old
            for old, news in meanings.items()
            for new in news
            if old > 0 and old % value == 0 and new * value % old == 0
        }
    return sorted(after or {value}, key=lambda size: (size == value, size))
