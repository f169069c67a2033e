"""Pruners that cut once: by importance, or nothing at all."""

from __future__ import annotations

import copy
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from tinyml import _core
from tinyml._core import Error, Graph, LatencyTable, ModelCost, PruningPlan
from tinyml.arguments import tensors_of
from tinyml.capture import capture_modes
from tinyml.latency import InTurns, Latency
from tinyml.prune.importance import Metric, gather
from tinyml.prune.in_place import PlanAround, plan_around
from tinyml.prune.live import LiveModel
from tinyml.prune.masks import Masks

Config = Mapping[str, Any] | str | os.PathLike[str] | None


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


@dataclass(frozen=True)
class Sensitivity:
    """The effect of pruning one subgraph alone."""

    subgraph: str
    sparsity: float
    macs: float
    """Share of the multiply-accumulates that remains."""
    quality: float


@dataclass(frozen=True)
class LayerReconstruction:
    """One layer fitted to the original's outputs."""

    weight: str
    error_before: float
    """Squared difference from the original's outputs over their energy."""
    error_after: float


class ChannelPruner:
    """What all pruners share: the model, its graph, the configuration, cuts and their cost.

    model: the module to prune, changed in place by `prune()`.
    dummy_input: a tensor, a tuple or list of the model's arguments, or a dict of keyword ones.
    config: a dict, or the path of a YAML or JSON file; docs/pruning.md lists the keys. In a dict
        `metrics` may be a function of a weight's name and the weight (channels first) that returns
        one number a channel; larger is more important.
    latency: what a latency target is measured by, as seconds for a Graph: a function, or a
        LatencyTable. Default: the table that the config names, else LiteRT on this machine.
    """

    def __init__(
        self,
        model: nn.Module,
        dummy_input: Any,
        config: Config = None,
        *,
        latency: Latency | None = None,
    ) -> None:
        self.model = model
        self._metric, self._config = _read_config(config)
        _core.check_pruning_config(self._config)
        self._latency = _latency_of(latency, self._config)
        self._live = LiveModel(model, dummy_input, _core.prunes_whole_heads(self._config))
        self._original = self.graph
        self._cost = _core.count_cost(self.graph)
        self._masks: Masks | None = None
        self._before: tuple[Graph, _core.DependencyGraph] | None = None
        self.plan: PruningPlan | None = None
        """What the last cut kept."""

    @property
    def graph(self) -> Graph:
        """The captured model, pruned once `prune()` has run, with the weights it has now."""
        self._live.refresh()
        return self._live.inference

    @property
    def dependencies(self) -> _core.DependencyGraph:
        return self._live.dependencies

    def calc_flops(self) -> PruningCost:
        """Cost before and after (the same before `prune()`)."""
        return PruningCost(self._cost, _core.count_cost(self.graph))

    def calc_latency(self) -> tuple[float, float]:
        """Seconds of one inference before and after, as a latency target is measured."""
        return self._seconds(self._original), self._seconds(self.graph)

    def _seconds(self, graph: Graph) -> float:
        if isinstance(self._latency, LatencyTable):
            return self._latency.estimate(graph)
        return float(self._latency(graph))

    def pruned_indices(self, module: nn.Module) -> dict[str, dict[int, list[int]]]:
        """What was removed from a module: {parameter name: {dimension: indices}}."""
        if self.plan is None:
            raise Error("nothing has been pruned yet: call prune() first")
        return self._live.removed.get(module, {})

    def save_plan(self, path: str | os.PathLike[str]) -> None:
        """Write what stays of every parameter as JSON; `prune(plan=path)` applies it again."""
        if self.plan is None:
            raise Error("there is no plan to save: call prune() first")
        self.plan.save(os.fspath(path))

    def make_plan(
        self, batches: Iterable[Any] | None = None, config: str | None = None
    ) -> PruningPlan:
        """What this configuration would remove now; nothing is changed.

        batches: training data for the metrics of activations (hrank, apoz).
        config: another configuration, as YAML or JSON text.
        """
        self._live.refresh()
        data = gather(self._live, self._metric, batches)
        return _core.plan_pruning(
            self._live.graph,
            self.dependencies,
            self._config if config is None else config,
            latency=self._latency,
            **data,
        )

    def sensitivity(
        self,
        evaluate: Callable[[nn.Module], float],
        sparsities: Sequence[float] = (0.25, 0.5, 0.75),
    ) -> list[Sensitivity]:
        """Quality with every subgraph pruned alone at every sparsity; the model is left as it was.

        evaluate: called as evaluate(model), with masked weights, in evaluation mode.
        """
        self._live.refresh()
        module, result = self._live.module, []
        plans = _core.sensitivity_plans(
            self._live.graph, self.dependencies, self._config, list(sparsities)
        )
        with capture_modes(module), torch.no_grad():
            for subgraph, sparsity, macs, plan in plans:
                weights = {k: v.clone() for k, v in module.state_dict().items()}
                masks = Masks(module, plan, self.dependencies)
                try:
                    quality = float(evaluate(module))
                finally:
                    masks.remove()
                    module.load_state_dict(weights)
                result.append(Sensitivity(subgraph, sparsity, macs, quality))
        return result

    def register_mask(
        self,
        plan: PruningPlan | str | os.PathLike[str] | None = None,
        batches: Iterable[Any] | None = None,
    ) -> None:
        """Hold what would be removed at zero, in place; shapes stay until `apply_mask()`.

        A finetune in between adapts the rest. Residual branches that a plan removes contribute
        nothing meanwhile. Arguments as those of `prune()`. Raises tinyml.Error, with nothing
        changed, where the model does not compute with masks what it will after the cut.
        """
        if self._masks is not None:
            raise Error("masks are registered already: call apply_mask() to cut what they hide")
        plan = self._resolve(plan, batches)
        self._masks = self._live.mask(plan)

    def apply_mask(self) -> nn.Module:
        """Cut what `register_mask()` hides; returns the module to go on with."""
        if self._masks is None:
            raise Error("there are no masks to apply: call register_mask() first")
        plan = self._masks.plan
        self._masks.remove()
        self._masks = None
        self._live.refresh()
        return self._cut(plan)

    def report(self, path: str | os.PathLike[str] | None = None, *, latency: bool = False) -> str:
        """What the cuts did, as text; also writes a self-contained HTML page to `path`.

        latency: measure the model and each layer, before and after, as for a latency target.
        """
        if self._before is None or self.plan is None:
            raise Error("there is nothing to report: call prune() first")
        return _core.pruning_report(
            *self._before,
            self.plan,
            self._live.graph,
            latency=self._latency if latency else None,
            html_path="" if path is None else os.fspath(path),
            html_title=f"Pruning of {type(self.model).__name__}",
        )

    def reconstruct(
        self, batches: Iterable[Any], *, ridge: float = 1e-3, positions: int = 0
    ) -> list[LayerReconstruction]:
        """Fit the layers that lost inputs to the original's outputs, in place (He et al. 2017).

        By least squares, layer by layer, without labels or training; call it right after `prune()`.
        Convolutions without groups and linear layers, with their biases, are changed.

        batches: example inputs of the shapes of `dummy_input`, a tensor, tuple or dict each.
        ridge: pull towards the present weights.
        positions: of a layer's outputs to use at most; 0: enough for its number of weights.
        """
        if self._before is None or self.plan is None:
            raise Error("there is nothing to reconstruct: call prune() first")
        self._live.refresh()
        example = self._live.dummy_input
        data = [[t.detach().cpu() for t in tensors_of(batch, example)] for batch in batches]
        graph, layers = _core.reconstruct_layers(
            *self._before, self.plan, self._live.graph, data, ridge, positions
        )
        self._live.take_weights(graph)
        return [LayerReconstruction(*layer) for layer in layers]

    def _cut(
        self, plan: PruningPlan, instead: Callable[[str], PruningPlan | None] | None = None
    ) -> nn.Module:
        before = (self._live.graph, self.dependencies)
        if plan.removed_branches:
            _core.verify_whole_plan(self._live.graph, plan)
            self._live.remove_branches(plan.removed_branches)
        cut = self._live.cut(plan, proved=bool(plan.removed_branches), instead=instead)
        self._before, self.plan = before, cut
        return self._live.module

    def _resolve(
        self, plan: PruningPlan | str | os.PathLike[str] | None, batches: Iterable[Any] | None
    ) -> PruningPlan:
        if self.plan is not None:
            raise Error("this model has been pruned; make a new pruner to prune it further")
        if plan is None:
            return self.make_plan(batches)
        self._live.refresh()
        chosen = plan if isinstance(plan, PruningPlan) else PruningPlan.load(os.fspath(plan))
        self._live.find_dependencies(chosen.whole_heads)
        return chosen


class OneShotChannelPruner(ChannelPruner):
    """Removes the least important channels of every layer, at once."""

    def fork(
        self, config: Config = None, *, latency: Latency | None = None
    ) -> OneShotChannelPruner:
        """A pruner of a copy of the model, gradients included, with another configuration.

        The model is not captured anew, so trying many configurations costs little more than one.
        """
        if self.plan is not None or self._masks is not None:
            raise Error("this model has been pruned: fork a pruner before that")
        other = copy.copy(self)
        other._metric, other._config = _read_config(config)
        _core.check_pruning_config(other._config)
        other._latency = _latency_of(latency, other._config)
        self._live.refresh()
        other._live = self._live.fork()
        other._live.find_dependencies(_core.prunes_whole_heads(other._config))
        other.model = other._live.module
        for mine, theirs in zip(self.model.parameters(), other.model.parameters(), strict=True):
            theirs.grad = None if mine.grad is None else mine.grad.clone()
        return other

    def prune(
        self,
        plan: PruningPlan | str | os.PathLike[str] | None = None,
        batches: Iterable[Any] | None = None,
        in_place: bool = True,
    ) -> nn.Module:
        """Prune the model in place and return the module to go on with: the model itself.

        Where the model's Python code has sizes written into it, it cannot run with fewer channels:
        those layers stay whole, and a warning names them and the line. If nothing else can be
        pruned, or with a plan given, everything is pruned and generated code takes the place of
        the model's `forward`, parameters and submodules; the object and its class stay. With
        `in_place=False` the model is left as it was then, and the module of the generated code is
        returned.

        plan: one made before (or its file), for another checkpoint of the same model.
        batches: training data for the metrics of activations (hrank, apoz).
        """
        if self._masks is not None:
            return self.apply_mask()
        chosen = self._resolve(plan, batches)
        if not self.dependencies.subgraphs:
            stays = "\n  ".join(str(axis) for axis in self.dependencies.pinned)
            warnings.warn(f"nothing of this model can be pruned:\n  {stays}", stacklevel=2)
        self._live.adopts = in_place
        if plan is not None or not in_place:
            return self._cut(chosen)

        found: PlanAround | None = None

        def around(problem: str) -> PruningPlan | None:
            nonlocal found
            found = plan_around(
                self._live,
                yaml.safe_load(self._config) or {},
                problem,
                lambda kept: self.make_plan(batches, json.dumps(kept)),
            )
            return None if found is None else found.plan

        module = self._cut(chosen, around)
        if found is not None:
            warnings.warn(found.warning, stacklevel=2)
        return module


class IdentityChannelPruner(ChannelPruner):
    """Removes nothing: the graph and its generated code, rewritten as a pruner would leave them."""

    def prune(self) -> nn.Module:
        """Check that an empty plan leaves the model as it is; returns the model."""
        self._live.refresh()
        return self._cut(_core.PruningPlan.from_json(_EMPTY_PLAN))


def _latency_of(latency: Latency | None, config: str) -> Latency:
    if latency is not None:
        return latency
    table = _core.latency_table_of(config)
    return LatencyTable.load(table) if table else InTurns()


_EMPTY_PLAN = '{"format": "tinyml.pruning_plan", "version": 1, "metric": "none", "cuts": []}'


def _read_config(config: Config) -> tuple[str | Metric, str]:
    """The metric, and the configuration as text."""
    if config is None:
        return "l2_norm", ""
    if isinstance(config, Mapping):
        settings = dict(config)
        metric = settings.get("metrics", settings.get("metric", "l2_norm"))
        if callable(metric):
            settings.pop("metric", None)
            settings["metrics"] = "custom"
        return metric, json.dumps(settings)
    path = Path(config)
    if not path.is_file():
        raise Error(f"there is no pruning config file '{path}'")
    text = path.read_text(encoding="utf-8")
    _core.check_pruning_config(text)
    return _core.pruning_metric(text), text
