"""What to leave whole so that the model's own code can follow the cuts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from tinyml import _core
from tinyml._core import Error, PruningPlan
from tinyml.prune.live import LiveModel


def parameters_in_the_way(live: LiveModel, settings: dict[str, Any]) -> list[str]:
    """Parameters whose channels the module's own code cannot do without: it has sizes of theirs
    written into it. Every subgraph is cut alone, and the module tried."""
    plain = {key: settings[key] for key in ("attention",) if key in settings}
    stuck: list[str] = []
    alone = _core.sensitivity_plans(live.graph, live.dependencies, json.dumps(plain), [0.5])
    for _, _, _, plan in alone:
        if plan.cuts and live.problem_of(plan) is not None:
            stuck += [cut.parameter for cut in plan.cuts if cut.dimension == 0]
    return list(dict.fromkeys(stuck))


def leave_whole(settings: dict[str, Any], parameters: list[str]) -> dict[str, Any]:
    """The configuration with these parameters excluded."""
    return settings | {"exclude_ops": [*settings.get("exclude_ops", []), *parameters]}


class PlanAround(NamedTuple):
    plan: PruningPlan
    parameters: list[str]
    """What it leaves whole."""
    warning: str


def plan_around(
    live: LiveModel,
    settings: dict[str, Any],
    problem: str,
    plan_for: Callable[[dict[str, Any]], PruningPlan],
) -> PlanAround | None:
    """The plan of the configuration that leaves whole what the module's own code cannot follow;
    None if no such plan meets the configuration."""
    stuck = parameters_in_the_way(live, settings)
    try:
        plan = plan_for(leave_whole(settings, stuck))
    except Error:
        return None
    if not stuck or not plan.cuts or live.problem_of(plan) is not None:
        return None
    layers = list(dict.fromkeys(name.rpartition(".")[0] or name for name in stuck))
    warning = (
        f"the model's own code cannot run with fewer channels everywhere: {problem}. Left "
        f"whole: {', '.join(layers)}. prune(in_place=False) prunes them as well and returns "
        "the generated code's module."
    )
    return PlanAround(plan, stuck, warning)
