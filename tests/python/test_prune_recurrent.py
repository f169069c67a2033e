"""Hidden sizes, projections, layers and directions of recurrent networks, and embeddings."""

import pytest
import torch

import tinyml
from prune_checks import build, prune_and_compare
from prune_recurrent import GENERATED, RECURRENT, WORDS
from tinyml import OneShotChannelPruner, _core


def make(name: str) -> tuple[torch.nn.Module, torch.Tensor]:
    constructor, shape = RECURRENT[name]
    model = build(constructor)
    if shape == WORDS:
        return model, torch.arange(10).reshape(2, 5) * 7 % 20
    return model, torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("metric", ["random", "taylor"])
@pytest.mark.parametrize("name", sorted(RECURRENT))
def test_pruned_equals_masked(name: str, metric: str) -> None:
    model, x = make(name)
    _, followed = prune_and_compare(model, (x,), metric, in_place=name not in GENERATED)
    assert followed != (name in GENERATED)


def test_every_layer_and_direction_keeps_equally_many() -> None:
    model, x = make("lstm_projected")
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5, "metrics": "random"})
    pruner.prune()
    assert (model.rnn.input_size, model.rnn.hidden_size, model.rnn.proj_size) == (4, 3, 2)
    assert model.embed.embedding_dim == 4
    hidden = {
        cut.parameter: cut.kept
        for cut in pruner.plan.cuts
        if cut.parameter.startswith("rnn.bias_ih")
    }
    assert len(hidden) == 4
    for kept in hidden.values():  # every gate keeps the same indices
        assert [index % 6 for index in kept] == 4 * [index % 6 for index in kept[:3]]
    assert len({tuple(kept) for kept in hidden.values()}) > 1  # each layer its own


def test_what_stays_is_listed_with_its_reason() -> None:
    model, x = make("stream_state")
    dependencies = _core.analyze_dependencies(tinyml.trace(model, (x,)))
    assert {graph.name for graph in dependencies.subgraphs} == {"embed", "before", "after"}
    assert "rnn.weight_ih_l0 dim 0 (18 of 18)" in str(dependencies)
