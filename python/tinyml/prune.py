"""OneShotChannelPruner: removes channels of a live module, proven exact before anything is done."""

from __future__ import annotations

import importlib.util
import json
import linecache
import os
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tinyml import _core
from tinyml._core import Error, Graph, ModelCost, PruningPlan
from tinyml.capture import trace

_TOLERANCE = 1e-3  # of the output's range, float32: live model against the pruned graph


@dataclass(frozen=True)
class PruningCost:
    """What a model costs before and after pruning."""

    before: ModelCost
    after: ModelCost

    def __str__(self) -> str:
        def line(name: str, before: int, after: int) -> str:
            return f"{name}: {before:,} -> {after:,} ({100 * after / max(before, 1):.1f} %)"

        return "\n".join(
            [
                line("MACs", self.before.macs, self.after.macs),
                line("parameters", self.before.parameters, self.after.parameters),
            ]
        )


class OneShotChannelPruner:
    """Removes the least important channels of every layer, at once.

    model: the module to prune, changed in place by `prune()`.
    dummy_input: a tensor or a tuple of the model's arguments.
    config: a dict, or the path of a YAML or JSON file. Keys: `sparsity` (a number, or a dict by
        module path with `default`), `metrics` (random, l1_norm, l2_norm, fpgm), `target`
        ({"flops": share that remains}), `multiple`, `min_channels`, `skip_last_fc`, `exclude_ops`
        (module paths or parameter names), `seed`.

    `graph` is the captured model, after `prune()` the pruned one.
    """

    def __init__(
        self,
        model: nn.Module,
        dummy_input: Any,
        config: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    ) -> None:
        self.model = model
        self.dummy_input = dummy_input if isinstance(dummy_input, tuple) else (dummy_input,)
        self._config = _config_text(config)
        _core.check_pruning_config(self._config)
        self.graph: Graph = trace(model, self.dummy_input)
        self.dependencies = _core.analyze_dependencies(self.graph)
        self.plan: PruningPlan | None = None
        self._cost = _core.count_cost(self.graph)
        self._indices: dict[nn.Module, dict[str, dict[int, list[int]]]] = {}

    def prune(self, plan: PruningPlan | str | os.PathLike[str] | None = None) -> nn.Module:
        """Prune the model in place and return the module to go on with: the model itself.

        A model whose Python code has sizes written into it cannot run with fewer channels. It is
        left as it was, a warning names the line, and the module of the generated code is returned.

        plan: one made before (or its file), for another checkpoint of the same model.
        """
        if self.plan is not None:
            raise Error("this model has been pruned; make a new pruner to prune it further")
        if not self._has_current_weights():
            self.graph = trace(self.model, self.dummy_input)
            self.dependencies = _core.analyze_dependencies(self.graph)
        if plan is None:
            plan = _core.plan_pruning(self.graph, self.dependencies, self._config)
        elif not isinstance(plan, PruningPlan):
            plan = PruningPlan.load(os.fspath(plan))
        _core.verify_plan(self.graph, self.dependencies, plan)
        pruned = _core.apply_plan(self.graph, self.dependencies, plan)
        surgery = _Surgery(self.model, plan)
        indices = surgery.indices()
        try:
            surgery.cut(_core.module_sizes(self.graph), _core.module_sizes(pruned))
            problem = self._difference(pruned, surgery.missing)
        except BaseException:
            surgery.restore()
            raise
        result = self.model
        if problem is not None:
            surgery.restore()
            warnings.warn(
                f"the model's own code cannot run with fewer channels: {problem}. The model was "
                "left as it was; prune() returns the generated code's module, which is pruned.",
                stacklevel=2,
            )
            result = self._generated_module(pruned)
        self.graph, self.plan, self._indices = pruned, plan, indices
        return result

    def calc_flops(self) -> PruningCost:
        """Cost before and after (the same before `prune()`)."""
        return PruningCost(self._cost, _core.count_cost(self.graph))

    def pruned_indices(self, module: nn.Module) -> dict[str, dict[int, list[int]]]:
        """What was removed from a module: {parameter name: {dimension: indices}}."""
        if self.plan is None:
            raise Error("nothing has been pruned yet: call prune() first")
        return self._indices.get(module, {})

    def save_plan(self, path: str | os.PathLike[str]) -> None:
        """Write what stays of every parameter as JSON; `prune(plan=path)` applies it again."""
        if self.plan is None:
            raise Error("there is no plan to save: call prune() first")
        self.plan.save(os.fspath(path))

    def _has_current_weights(self) -> bool:
        """Whether the model still has the weights it was captured with."""
        captured = {**self.graph.parameters(), **self.graph.buffers()}
        for name, view in captured.items():
            owner, _, attribute = name.rpartition(".")
            live = _attribute(self.model, owner, attribute)
            if live is None or not torch.equal(live.detach().cpu(), torch.from_dlpack(view)):
                return False
        return True

    def _difference(self, pruned: Graph, missing: list[str]) -> str | None:
        """Why the live model does not compute what the pruned graph does, or None."""
        if missing:
            return f"'{missing[0]}' is captured as a constant and no attribute of the model"
        try:
            with _evaluating(self.model), torch.no_grad():
                outputs = _tensors(self.model(*self.dummy_input))
        except Exception as error:  # The user's code may raise anything.
            return f"{_user_line(error, self.model)}{type(error).__name__}: {error}"
        inputs = [value.detach().cpu() for value in _tensors(self.dummy_input)]
        expected = [value for value in pruned.evaluate(*inputs) if value is not None]
        if len(outputs) != len(expected):
            return "it returns another number of outputs"
        for output, reference in zip(outputs, expected, strict=True):
            live = output.detach().cpu().to(torch.float64)
            target = torch.from_dlpack(reference).to(torch.float64)
            if live.shape != target.shape:
                return f"an output has the shape {list(live.shape)}, not {list(target.shape)}"
            scale = target.abs().max().item() if target.numel() else 0.0
            precision = torch.finfo(output.dtype).eps if output.is_floating_point() else 0.0
            allowed = max(_TOLERANCE, 16 * precision) * max(scale, 1e-6)
            if live.numel() and not (live - target).abs().max().item() <= allowed:
                return "it computes something else (a size in its code selects other channels)"
        return None

    def _generated_module(self, pruned: Graph) -> nn.Module:
        directory = Path(tempfile.mkdtemp(prefix="tinyml_pruned_"))
        source, weights = directory / "pruned_model.py", directory / "pruned_model.pt"
        pruned.generate_code(source, weights, type(self.model).__name__)
        spec = importlib.util.spec_from_file_location("pruned_model", source)
        if spec is None or spec.loader is None:
            raise Error(f"cannot import the generated code '{source}'")
        code = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(code)
        module: nn.Module = code.load(weights)
        first = next(self.model.parameters(), None)
        if first is not None:
            module.to(first.device)
        return module.train(self.model.training)


class _Surgery:
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
            tensor = _attribute(model, owner, name)
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
    ) -> None:
        """Replace tensors and the attributes that repeat their sizes."""
        made: dict[int, torch.Tensor] = {}  # Shared tensors stay shared.
        for module, name, tensor in list(self._slots()):
            if id(tensor) not in made:
                made[id(tensor)] = _cut_tensor(tensor, self._cuts[id(tensor)])
            self._set(module, name, made[id(tensor)])
        sizes = dict(after)
        for path, attributes in before:
            module = self._model.get_submodule(path)
            for name, size in attributes.items():
                new = sizes.get(path, {}).get(name, size)
                if new != size and getattr(module, name, None) == size:
                    self._set(module, name, new)

    def restore(self) -> None:
        while self._undo:
            owner, name, value = self._undo.pop()
            setattr(owner, name, value)

    def _set(self, owner: nn.Module, name: str, value: Any) -> None:
        self._undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

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


def _cut_tensor(tensor: torch.Tensor, cuts: list[_core.Cut]) -> torch.Tensor:
    """A new tensor (or Parameter) of what stays; its gradient, if any, is cut alike."""

    def cut_data(data: torch.Tensor) -> torch.Tensor:
        rows = next((cut.kept for cut in cuts if cut.dimension == 0), list(range(data.shape[0])))
        grouped = next((cut for cut in cuts if cut.groups > 1), None)
        if grouped is not None:
            data = _cut_groups(data, rows, grouped)
        for cut in cuts:
            if cut.groups > 1 or (grouped is not None and cut.dimension == 0):
                continue
            data = data.index_select(cut.dimension, torch.tensor(cut.kept, device=data.device))
        return data

    with torch.no_grad():
        data = cut_data(tensor.detach())
        if not isinstance(tensor, nn.Parameter):
            return data
        parameter = nn.Parameter(data, requires_grad=tensor.requires_grad)
        if tensor.grad is not None:
            parameter.grad = cut_data(tensor.grad)
        return parameter


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


def _attribute(model: nn.Module, path: str, name: str) -> torch.Tensor | None:
    try:
        value = getattr(model.get_submodule(path), name, None)
    except AttributeError:
        return None
    return value if isinstance(value, torch.Tensor) else None


def _config_text(config: Mapping[str, Any] | str | os.PathLike[str] | None) -> str:
    if config is None:
        return ""
    if isinstance(config, Mapping):
        return json.dumps(config)
    path = Path(config)
    if not path.is_file():
        raise Error(f"there is no pruning config file '{path}'")
    return path.read_text(encoding="utf-8")


def _tensors(value: Any) -> list[torch.Tensor]:
    """All tensors in nested tuples, lists and dicts, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [tensor for item in value for tensor in _tensors(item)]
    return []


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside; each module's own flag is put back afterwards."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in flags:
            module.training = training


def _user_line(error: Exception, model: nn.Module) -> str:
    """The innermost line outside torch that raised, as "file:line (text): "."""
    torch_root = os.path.dirname(torch.__file__)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(torch_root) or frame.filename == __file__:
            continue
        text = frame.line or linecache.getline(frame.filename, frame.lineno or 0).strip()
        return f"{frame.filename}:{frame.lineno} ({text}): "
    return ""
