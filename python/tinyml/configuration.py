"""Configurations of the quantizers: a dict, or a YAML file."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tinyml._core import Error

Config = dict[str, Any] | str | os.PathLike[str] | None


def read_config(config: Config) -> dict[str, Any]:
    """A copy of the configuration. Raises tinyml.Error for a file that cannot be read or is no
    mapping."""
    if config is None:
        return {}
    if isinstance(config, dict):
        return dict(config)
    import yaml

    try:
        loaded = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
    except OSError as error:
        raise Error(f"Cannot read the configuration {config}: {error.strerror}.") from None
    except yaml.YAMLError as error:
        raise Error(f"{config} is not valid YAML: {error}") from None
    if loaded is not None and not isinstance(loaded, dict):
        raise Error(f"{config} is not a mapping of keys to settings.")
    return loaded or {}


def check_keys(config: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raises tinyml.Error naming every unknown key, with the nearest known one."""
    known = sorted(known)
    lines = []
    for key in config:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"is '{near[0]}' meant?" if near else f"known keys: {', '.join(known)}"
            lines.append(f"unknown key '{key}': {hint}")
    if lines:
        raise Error("The configuration is not valid.\n" + "\n".join(f"  {line}" for line in lines))
