"""Generated code of every network computes, trains and stores what the original does."""

from pathlib import Path

import pytest
import torch
from models import ZOO

import tinyml
from codegen_util import generate, round_trip
from tinyml import _core

# Branches that an eval capture does not have.
WITHOUT_TRAINING_BRANCHES = {"efficientnet_b0": {"stochastic_depth": 0.0}}


# densenet_small has densenet121's topology in a tenth of the time.
@pytest.mark.parametrize("name", [name for name in ZOO if name != "densenet121"])
def test_zoo(name: str, tmp_path: Path) -> None:
    entry = ZOO[name]
    model = entry.small(**WITHOUT_TRAINING_BRANCHES.get(name, {}))
    shape = (2, *entry.shape[1:])
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    # Captured with one image, it works on batches.
    round_trip(model, (x,), tmp_path, example=(x[:1],))


@pytest.mark.parametrize("name", ["resnet18", "shufflenet_v2", "densenet_small", "squeezenet"])
def test_pruned(name: str, tmp_path: Path) -> None:
    """Constructor arguments and views follow the graph, not the original modules."""
    entry = ZOO[name]
    model, x = entry.small(), entry.example_input()
    graph = tinyml.trace(model, x)
    dependencies = _core.analyze_dependencies(graph)
    plan = _core.plan_pruning(graph, dependencies, '{"sparsity": 0.5}')
    pruned = _core.apply_plan(graph, dependencies, plan)
    ours = generate(pruned, tmp_path)
    assert sorted(ours.state_dict()) == sorted(model.state_dict())
    (expected,) = pruned.evaluate(x.numpy())
    with torch.no_grad():
        actual = ours.eval()(x)
    torch.testing.assert_close(
        actual.double(), torch.from_numpy(expected.astype("float64")), rtol=1e-4, atol=1e-4
    )
    ours.train()(torch.randn(3, *entry.shape[1:])).sum().backward()
    sizes = [sum(p.numel() for p in m.parameters()) for m in (ours, model)]
    assert sizes[0] < 0.6 * sizes[1]
