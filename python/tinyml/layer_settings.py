"""Settings of single layers that a Python function decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from tinyml._core import Error

LayerFunction = Callable[[str, nn.Module], Mapping[str, Any] | None]
"""(dotted path, module) -> settings as under ``layers``, or None for the defaults."""


def with_layer_function(
    config: Mapping[str, Any], model: nn.Module, function: LayerFunction | None
) -> dict[str, Any]:
    """The configuration with what ``function`` says of every module added to ``layers``, after the
    rules that are there: it has the last word. Raises tinyml.Error for what it must not return."""
    settings = dict(config)
    if function is None:
        return settings
    if not callable(function):
        raise Error(
            f"override_qconfig_func is {function!r}: a function of (path, module) is needed that "
            "returns a dict of settings, as under 'layers', or None"
        )
    layers = settings.get("layers") or {}
    if not isinstance(layers, Mapping):
        return settings  # the check of the whole configuration says so
    layers = dict(layers)
    for path, module in model.named_modules():
        if not path:
            continue
        found = function(path, module)
        if found is None:
            continue
        if not isinstance(found, Mapping):
            raise Error(
                f"override_qconfig_func returned {found!r} for '{path}' "
                f"({type(module).__name__}): a dict of settings or None is needed"
            )
        if found:
            layers.pop(path, None)
            layers[path] = dict(found)
    if layers:
        settings["layers"] = layers
    return settings
