"""Pruners that cut and train in turns, driven by the core."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from torch import nn

from tinyml import _core
from tinyml._core import Error
from tinyml.latency import Latency
from tinyml.prune.host import Evaluate, Host, Train
from tinyml.prune.in_place import leave_whole, plan_around
from tinyml.prune.pruner import _EMPTY_PLAN, ChannelPruner, Config


class IterativePruner(ChannelPruner):
    """A pruner that drives the user's training.

    train: called as train(model, segment) for every stretch of training, with the model in training
        mode; `segment.begin` and `segment.end` say which part of the whole training it is, in
        [0, 1], and `segment.final` that no cut follows. Make the optimizer anew each time: its
        state has the shapes of before the cut.
    evaluate: called as evaluate(model) in evaluation mode; returns a quality, larger is better.
    work_dir: directory of the journal. A run that was killed goes on where it was when the same
        pruner is run again with the same model, configuration and directory.
    """

    _own_keys: frozenset[str] = frozenset()
    _measures_importance = False
    _needs_evaluate = False

    def __init__(
        self,
        model: nn.Module,
        dummy_input: Any,
        config: Config = None,
        *,
        train: Train,
        evaluate: Evaluate | None = None,
        work_dir: str | os.PathLike[str] | None = None,
        latency: Latency | None = None,
    ) -> None:
        settings = _settings(config)
        if callable(settings.get("metrics")):
            raise Error("a pruner of several cuts takes the name of a metric, not a function")
        own = {key: settings.pop(key) for key in list(settings) if key in self._own_keys}
        super().__init__(model, dummy_input, settings, latency=latency)
        if self._needs_evaluate and evaluate is None:
            raise Error(f"{type(self).__name__} compares candidates: it needs evaluate=...")
        self._settings = self._defaults(settings) | own
        self.removed_branches: list[str] = []
        """Names of the residual branches that were taken out."""
        self._train, self._evaluate = train, evaluate
        self._journal = "" if work_dir is None else os.fspath(work_dir)

    def _defaults(self, settings: dict[str, Any]) -> dict[str, Any]:
        return settings

    def _run(self, config: str, host: Host, journal: str, latency: Latency) -> None:
        raise AssertionError("every pruner has its own")

    def prune(self, in_place: bool = True) -> nn.Module:
        """Cut and train to the end; returns the module to go on with, as a rule the model itself.

        Where the model's Python code has sizes written into it, those layers stay whole, and a
        warning names them. If the target cannot be met without them, generated code takes the
        place of the model's `forward`, parameters and submodules. With `in_place=False` the model
        is left as it was then, and the module of the generated code is trained and returned.

        Raises tinyml.Error when the configuration or the target does not fit the model; what the
        user's functions raise passes through. With `work_dir`, the next run goes on from there.
        """
        if self.plan is not None:
            raise Error("this model has been pruned; make a new pruner to prune it further")
        self._live.refresh()
        before = (self._live.graph, self.dependencies)
        self._live.adopts = in_place
        settings = self._in_place_settings() if in_place else self._settings
        host = Host(self._live, self._train, self._evaluate, self._measures_importance)
        self._run(yaml.safe_dump(settings), host, self._journal, self._latency)
        self.plan = host.plan or _core.PruningPlan.from_json(_EMPTY_PLAN)
        self.removed_branches = host.removed_branches
        if host.removed_branches:
            self.plan = self.plan.restrict(self._live.graph).without_branches(host.removed_branches)
        self._before = before
        return self._live.module

    def _in_place_settings(self) -> dict[str, Any]:
        """The settings, with what the model's own code cannot follow excluded where the target
        can be met without."""
        plain = yaml.safe_load(self._config) or {}
        trial = {key: value for key, value in plain.items() if key not in ("target", "metrics")}
        problem = self._live.problem_of(self._plan(trial | {"sparsity": 0.5}))
        if problem is None:
            return self._settings
        found = plan_around(
            self._live, plain, problem, lambda kept: self._plan(kept | {"metrics": "l2_norm"})
        )
        if found is None:
            return self._settings
        warnings.warn(found.warning, stacklevel=3)
        return leave_whole(self._settings, found.parameters)

    def _plan(self, settings: dict[str, Any]) -> _core.PruningPlan:
        return _core.plan_pruning(
            self._live.graph, self.dependencies, json.dumps(settings), latency=self._latency
        )


class GradualPruner(IterativePruner):
    """Cuts in steps on a cubic schedule (Zhu and Gupta 2017), training in between.

    Besides the keys of all pruners: `steps` (6) cuts within the first `pruning_share` (0.4) of the
    training; `min_width_ratio` (0): residual branches go first while layers would otherwise become
    narrower than this share.
    """

    _own_keys = frozenset({"steps", "pruning_share", "min_width_ratio"})
    _run: Callable[..., None] = staticmethod(_core.run_gradual)


class ProgressivePruner(GradualPruner):
    """Keeps accuracy where more than 90 % of the FLOPs go.

    A gradual pruner that measures importance (Taylor, first order) while the model trains, and
    takes whole residual branches out before layers become narrower than `min_width_ratio` (0.32)
    of their width.
    """

    _measures_importance = True

    def _defaults(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {"min_width_ratio": 0.32} | settings


class ADMMPruner(IterativePruner):
    """Trains towards the pruned model with an augmented Lagrangian before it cuts (Zhang 2018).

    Besides the keys of all pruners: `iterations` (8) projections and dual updates within the first
    `admm_share` (0.5) of the training, `rho` (0.001), the penalty's weight.
    """

    _own_keys = frozenset({"iterations", "rho", "admm_share"})
    _run: Callable[..., None] = staticmethod(_core.run_admm)


class NetAdaptPruner(IterativePruner):
    """Narrows one subgraph a step, the one whose candidate is best after a short finetune (Yang et
    al. 2018).

    Needs `evaluate`. Besides the keys of all pruners: `first_reduction` (0.05) of the FLOPs, which
    shrinks by `decay` (0.98) a step, `short_share` (0.02) of the training for each candidate,
    `max_steps` (200).
    """

    _own_keys = frozenset({"first_reduction", "decay", "short_share", "max_steps"})
    _needs_evaluate = True
    _run: Callable[..., None] = staticmethod(_core.run_netadapt)


def _settings(config: Config) -> dict[str, Any]:
    if config is None:
        return {}
    if isinstance(config, Mapping):
        return dict(config)
    if not os.path.isfile(config):
        raise Error(f"there is no pruning config file '{os.fspath(config)}'")
    with open(config, encoding="utf-8") as file:
        text = file.read()
    try:
        settings = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise Error(f"the pruning config is not YAML: {error}") from None
    if not isinstance(settings, dict):
        raise Error("a pruning config is a mapping of keys to values")
    return settings
