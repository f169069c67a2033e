"""Sizes of heads, and whole heads, of every way to write attention."""

import copy

import pytest
import torch

from prune_attention import ATTENTION, GENERATED, TOKENS
from prune_checks import assert_equal, build, masked, prune_and_compare
from tinyml import OneShotChannelPruner


def make(name: str) -> tuple[torch.nn.Module, torch.Tensor]:
    return build(ATTENTION[name]), torch.randn(TOKENS, dtype=torch.float64)


@pytest.mark.parametrize("whole", [False, True], ids=["head_dim", "heads"])
@pytest.mark.parametrize("name", sorted(ATTENTION))
def test_pruned_equals_masked(name: str, whole: bool) -> None:
    model, x = make(name)
    config = {"attention": "heads"} if whole else {}
    _, followed = prune_and_compare(model, (x,), "random", False, config)
    assert followed or whole or name in GENERATED


def test_every_head_keeps_equally_many() -> None:
    model, x = make("Manual")
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5, "metrics": "random"})
    pruner.prune()
    assert (model.num_heads, model.head_dim, model.scale) == (3, 2, 0.5)
    kept = {cut.parameter: cut.kept for cut in pruner.plan.cuts}
    assert kept["q.weight"] == kept["k.weight"] == kept["q.bias"]
    assert kept["v.weight"] == kept["out.weight"]
    for rows in (kept["q.weight"], kept["v.weight"]):
        assert [index // 4 for index in rows] == [0, 0, 1, 1, 2, 2]


def test_whole_heads(tmp_path) -> None:
    model, x = make("RelativeTable")
    original = copy.deepcopy(model)
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.4, "attention": "heads"})
    assert pruner.prune() is model
    assert (model.num_heads, model.head_dim) == (2, 4)
    assert model.table.shape == (9, 2)
    assert model.q.out_features == model.out.in_features == 8
    pruner.save_plan(tmp_path / "plan.json")
    again = copy.deepcopy(original)
    OneShotChannelPruner(again, x).prune(plan=tmp_path / "plan.json")
    assert_equal(again(x), masked(original, pruner.plan)(x))


def test_the_scale_stays_that_of_the_original() -> None:
    model, x = make("Fused")
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    with pytest.warns(UserWarning, match="own code cannot run with fewer channels"):
        pruner.prune()
    assert "scale=0.5" in str(pruner.graph)


def test_an_attribute_that_is_no_size_among_zero_arguments() -> None:
    """Zero is divisible by everything, and a size of nothing."""

    class First(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.version = 7
            self.a, self.b = torch.nn.Linear(12, 8), torch.nn.Linear(8, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(self.a(x)[:, 0])

    model, x = build(First), torch.randn(TOKENS, dtype=torch.float64)
    prune_and_compare(model, (x,), "l2_norm", True)
    assert model.version == 7


def test_what_the_code_cannot_follow_stays_whole_and_the_rest_is_pruned_in_place() -> None:
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    original = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).double().eval()
    x = torch.randn(1, 6, 16, dtype=torch.float64)
    model = copy.deepcopy(original)
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    with pytest.warns(UserWarning, match=r"Left whole: layers\.0\.self_attn, layers\.1\.self_attn"):
        assert pruner.prune() is model
    assert [block.linear1.out_features for block in model.layers] == [16, 16]
    assert model.layers[0].self_attn.in_proj_weight.shape == (48, 16)
    assert_equal(model(x), masked(original, pruner.plan)(x))

    pruner = OneShotChannelPruner(original, x, {"sparsity": 0.5})
    with pytest.warns(UserWarning, match="own code cannot run with fewer channels"):
        module = pruner.prune(in_place=False)
    assert module is not original
    assert original.layers[0].linear1.out_features == 32
    assert sum(p.numel() for p in module.parameters()) < sum(p.numel() for p in model.parameters())
