"""Named tuples and structures like ``torch.return_types.topk`` around a capture.

torch.export captures them, but writes only classes that were registered with a name. A tuple of the
same items has the same meaning to everything after the capture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def plain(value: Any) -> Any:
    """The nested structure with tuples in place of all classes derived from tuple."""
    if isinstance(value, torch.Size):
        return value
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if type(value) is list:
        return [plain(item) for item in value]
    if type(value) is dict:
        return {key: plain(item) for key, item in value.items()}
    return value


def restored(value: Any, like: Any) -> Any:
    """The inverse of ``plain``: the structure with the classes that ``like`` has."""
    if isinstance(like, torch.Size):
        return value
    if isinstance(like, tuple):
        items = [restored(item, part) for item, part in zip(value, like, strict=True)]
        make: Callable[[list[Any]], Any] = getattr(type(like), "_make", type(like))
        return make(items)
    if type(like) is list:
        return [restored(item, part) for item, part in zip(value, like, strict=True)]
    if type(like) is dict:
        return {key: restored(value[key], part) for key, part in like.items()}
    return value


@contextmanager
def plain_tuples(
    model: nn.Module, args: tuple[Any, ...], keywords: Mapping[str, Any]
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Arguments of plain tuples, with which the model may be called in the block.

    It sees the arguments of the original's classes and returns plain tuples.
    """

    def restore(
        _: nn.Module, args_: tuple[Any, ...], keywords_: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        like = {key: keywords[key] for key in keywords_}
        return restored(args_, args), restored(keywords_, like)

    hooks = (
        model.register_forward_pre_hook(restore, with_kwargs=True),
        model.register_forward_hook(lambda _, args_, output: plain(output)),
    )
    try:
        yield plain(args), plain(dict(keywords))
    finally:
        for hook in hooks:
            hook.remove()
