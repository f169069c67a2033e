"""The zoo is what it says it is: published sizes, sane activations."""

import pytest
import torch
from models import ZOO


@pytest.mark.parametrize("name", ZOO)
def test_published_parameter_count(name: str) -> None:
    entry = ZOO[name]
    with torch.device("meta"):
        model = entry.constructor(**entry.full_arguments)
    assert sum(parameter.numel() for parameter in model.parameters()) == entry.parameters


@pytest.mark.parametrize("name", ZOO)
def test_small_network_has_sane_activations(name: str) -> None:
    entry = ZOO[name]
    with torch.no_grad():
        y = entry.small()(entry.example_input())
    assert torch.isfinite(y).all()
    assert 1e-2 < y.std() < 1e2


def test_weights_are_reproducible() -> None:
    a, b = ZOO["resnet8"].small(seed=3), ZOO["resnet8"].small(seed=3)
    for (key, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(x, y), key
    assert not torch.equal(a.fc.weight, ZOO["resnet8"].small(seed=4).fc.weight)
