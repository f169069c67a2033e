"""The zoo is what it says it is: published sizes, sane activations."""

import pytest
import torch
from models import DEPLOYED, ZOO
from models.repvgg import fused
from torch.utils._pytree import tree_leaves

ALL = {**ZOO, **DEPLOYED}


@pytest.mark.parametrize("name", ALL)
def test_published_parameter_count(name: str) -> None:
    entry = ALL[name]
    with torch.device("meta"):
        model = entry.constructor(**entry.full_arguments)
    assert sum(parameter.numel() for parameter in model.parameters()) == entry.parameters


@pytest.mark.parametrize("name", ALL)
def test_small_network_has_sane_activations(name: str) -> None:
    entry = ALL[name]
    with torch.no_grad():
        outputs = tree_leaves(entry.small()(*entry.example_inputs()))
    for y in outputs:
        assert torch.isfinite(y).all()
        assert y.numel() == 1 or 1e-2 < y.std() < 1e2


def test_weights_are_reproducible() -> None:
    a, b = ZOO["resnet8"].small(seed=3), ZOO["resnet8"].small(seed=3)
    for (key, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(x, y), key
    assert not torch.equal(a.fc.weight, ZOO["resnet8"].small(seed=4).fc.weight)


def test_a_fused_repvgg_computes_the_same() -> None:
    entry = DEPLOYED["repvgg_a0"]
    model, x = entry.small(), entry.example_input()
    other = fused(model)
    assert len(list(other.parameters())) < len(list(model.parameters()))
    with torch.no_grad():
        torch.testing.assert_close(other(x), model(x), rtol=1e-4, atol=1e-4)
