"""Generated code in a work directory: written, checked against edits, imported, given weights."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from tinyml import _core
from tinyml.codegen import generate_code
from tinyml.nn import fake_quantizers
from tinyml.nn.quant_layers import QuantizedWeight

_FINGERPRINT = re.compile(r"^# tinyml fingerprint: ([0-9a-f]{16})$", re.MULTILINE)
_HEADER = """\
# Written by tinyml. Edit it freely: a layer whose FakeQuantize modules are removed stays float.
# With `force_overwrite: False` this file is used again as long as the model it was made from and
# the configuration stay as they are.
# tinyml fingerprint: {}
"""


def file_stem(model: nn.Module) -> str:
    """The name of the model's class in snake case."""
    name = type(model).__name__
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def make_module(
    graph: _core.Graph,
    py_path: Path,
    weights_path: Path,
    class_name: str,
    force_overwrite: bool = True,
) -> tuple[nn.Module, bool]:
    """(the graph's module in eval mode from its code in ``py_path``, whether that is new).

    The weights are written to ``weights_path`` and loaded. Without ``force_overwrite`` a file
    that is there is used, edited or not; tinyml.Error where it belongs to another model or
    configuration, or does not fit the weights.
    """
    py_path.parent.mkdir(parents=True, exist_ok=True)
    fresh = py_path.with_name(py_path.stem + "_fresh.py")
    try:
        generate_code(graph, fresh, weights_path, class_name)
        source = fresh.read_text(encoding="utf-8")
    finally:
        fresh.unlink(missing_ok=True)
    fingerprint = hashlib.sha256(source.encode()).hexdigest()[:16]
    written = force_overwrite or not py_path.exists()
    if written:
        temporary = py_path.with_name(py_path.name + ".part")
        temporary.write_text(_HEADER.format(fingerprint) + source, encoding="utf-8")
        os.replace(temporary, py_path)
    else:
        _check_fresh(py_path, fingerprint)
    module: nn.Module = getattr(_import_file(py_path), class_name)().eval()
    missing = _load_weights(module, torch.load(weights_path, weights_only=True), py_path)
    for name, layer in module.named_modules():  # the scales of FakeQuants that were added by hand
        if isinstance(layer, QuantizedWeight) and f"{name}.weight_fq.scale" in missing:
            layer.update_weight_scale()
    return module, written


def _check_fresh(path: Path, fingerprint: str) -> None:
    found = _FINGERPRINT.search(path.read_text(encoding="utf-8"))
    if found is None:
        raise _core.Error(
            f"{path} has no line '# tinyml fingerprint: ...', so it cannot be known "
            "whether it belongs to this model. Restore the line, or delete the file."
        )
    if found.group(1) != fingerprint:
        raise _core.Error(
            f"{path} was made from another model or configuration than this one. "
            "Set force_overwrite to True, or delete the file, to make it again; edits in it "
            "are lost then."
        )


def _import_file(path: Path) -> ModuleType:
    """The generated file as a module of its own, registered so that its classes can be pickled."""
    digest = hashlib.sha256(path.read_bytes() + str(path.resolve()).encode()).hexdigest()[:12]
    name = f"tinyml_generated_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _load_weights(module: nn.Module, weights: dict[str, torch.Tensor], path: Path) -> list[str]:
    """Strictly, but FakeQuants may have been removed from the code or added to it; returns the
    names of what has no weights."""
    own = {name + "." for name, _ in fake_quantizers(module)}
    names = set(module.state_dict()) | {name for name, _ in module.named_buffers()}
    left_out = {name for name in weights if name not in names and _is_fake_quant(name)}
    kept = {name: value for name, value in weights.items() if name not in left_out}
    for name in kept.keys() & (names - set(module.state_dict())):
        module.get_buffer(name).copy_(kept.pop(name))
    result = module.load_state_dict(kept, strict=False)
    missing = [name for name in result.missing_keys if name.rpartition(".")[0] + "." not in own]
    if missing or result.unexpected_keys:
        lines = [f"  missing in the code: {name}" for name in sorted(result.unexpected_keys)]
        lines += [f"  without a weight: {name}" for name in sorted(missing)]
        raise _core.Error(f"{path} does not fit the model's weights:\n" + "\n".join(lines))
    return result.missing_keys


def _is_fake_quant(name: str) -> bool:
    return name.endswith((".scale", ".zero_point"))
