"""A module that goes on as one of generated code without changing its identity."""

from __future__ import annotations

from torch import nn

_STATE = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")


def adopt(module: nn.Module, generated: nn.Module) -> bool:
    """Make `module` compute what `generated` does.

    Its parameters, buffers, submodules and `forward` become those of `generated`. Whoever holds it
    keeps it: it stays an instance of its class, with the methods, hooks and plain attributes that
    it had. A Parameter remains the object that it is where `generated` has one of its name. False,
    and nothing is changed, where its class does not allow that (a scripted module).
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
    _keep_parameters(module, generated)
    for name, value in generated.__dict__.items():
        if name in _STATE or name not in module.__dict__:
            module.__dict__[name] = value
    return True


def _keep_parameters(module: nn.Module, generated: nn.Module) -> None:
    """Put the module's own Parameters, with the new data, in the places of those of `generated`."""
    held = dict(module.named_parameters(remove_duplicate=False))
    places = [
        (owner, name, parameter, held.get(f"{path}.{name}" if path else name))
        for path, owner in generated.named_modules(remove_duplicate=False)
        for name, parameter in owner.named_parameters(recurse=False, remove_duplicate=False)
    ]
    partner: dict[int, set[int]] = {}  # Both ways: only what corresponds one to one is exchanged.
    for _, _, new, old in places:
        partner.setdefault(id(new), set()).add(id(old))
        partner.setdefault(id(old), set()).add(id(new))
    for owner, name, new, old in places:
        if old is None or len(partner[id(new)]) > 1 or len(partner[id(old)]) > 1:
            continue
        old.grad = None
        old.data = new.detach()
        old.requires_grad_(new.requires_grad)
        owner._parameters[name] = old
