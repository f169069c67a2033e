"""What a module computes only while it trains: auxiliary heads, deep supervision."""

from __future__ import annotations

import json
import warnings
from typing import Any

import torch
from torch import nn

from tinyml._core import Error, Graph, PruningPlan
from tinyml.capture import trace
from tinyml.prune.surgery import attribute_of


def trace_training_code(module: nn.Module, dummy_input: Any, graph: Graph) -> Graph | None:
    """The graph with the training side of ``if self.training``, where that side uses parameters
    that `graph`, the inference graph, does not; else None.

    Channels that only training reads depend on the others as well: a plan made on the graph
    returned here cuts both sides alike. Warns where the training side cannot be captured.
    """
    unused = _unused_parameters(module, graph)
    if not unused:
        return None
    try:
        training = trace(module, dummy_input, training_code=True)
    except Error as error:
        warnings.warn(
            f"{_names(unused)} do not take part in inference, and what training computes cannot "
            f"be captured; it is not followed when channels are cut. If training reads pruned "
            f"values there, name the layers before them in 'exclude_ops'.\n{error}",
            stacklevel=5,
        )
        return None
    return training if len(_unused_parameters(module, training)) < len(unused) else None


def restrict_plan(plan: PruningPlan, graph: Graph) -> PruningPlan:
    """The cuts of a plan that concern what `graph` computes with."""
    known = set(graph.tensors()) - set(graph.unused_parameters)
    document = json.loads(plan.to_json())
    document["cuts"] = [cut for cut in document["cuts"] if cut["parameter"] in known]
    return PruningPlan.from_json(json.dumps(document))


def _unused_parameters(module: nn.Module, graph: Graph) -> list[str]:
    idle = set(graph.unused_parameters)
    used = {id(_named(module, name)) for name in graph.parameters() if name not in idle}
    return [name for name, tensor in module.named_parameters() if id(tensor) not in used]


def _named(module: nn.Module, name: str) -> torch.Tensor | None:
    owner, _, attribute = name.rpartition(".")
    return attribute_of(module, owner, attribute)


def _names(parameters: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in parameters[:4])
    return shown + (f" and {len(parameters) - 4} more" if len(parameters) > 4 else "")
