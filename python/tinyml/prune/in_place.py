"""What to leave whole so that the model's own code can follow the cuts."""

from __future__ import annotations

import json
import warnings
from typing import Any

from tinyml import _core
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


def warn_left_whole(problem: str, parameters: list[str]) -> None:
    """Tell the caller of the caller's caller."""
    layers = list(dict.fromkeys(name.rpartition(".")[0] or name for name in parameters))
    warnings.warn(
        f"the model's own code cannot run with fewer channels everywhere: {problem}. Left "
        f"whole: {', '.join(layers)}. prune(in_place=False) prunes them as well and returns "
        "the generated code's module.",
        stacklevel=4,
    )
