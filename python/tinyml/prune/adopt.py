"""A module that goes on as one of generated code without changing its identity."""

from __future__ import annotations

from torch import nn

_STATE = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")


def adopt(module: nn.Module, generated: nn.Module) -> bool:
    """Make `module` compute what `generated` does.

    Its parameters, buffers, submodules and `forward` become those of `generated`. Whoever holds it
    keeps it: it stays an instance of its class, with the methods, hooks and plain attributes that
    it had. False, and nothing is changed, where its class does not allow that (a scripted module).
    """
    original = getattr(type(module), "_tinyml_original", type(module))
    try:
        adopted = type(
            original.__name__,
            (type(generated), original),
            {"__module__": type(generated).__module__, "_tinyml_original": original},
        )
        module.__class__ = adopted
    except TypeError:
        return False
    for name, value in generated.__dict__.items():
        if name in _STATE or name not in module.__dict__:
            module.__dict__[name] = value
    return True
