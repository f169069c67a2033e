"""Pruning to a latency: by a function, by a table of operators, by LiteRT."""

from __future__ import annotations

import pytest
import torch
from tinyml._core import count_cost
from torch import nn

from tinyml import Error, LatencyTable, NetAdaptPruner, OneShotChannelPruner, ProgressivePruner
from tinyml.latency import InTurns, measure_latency, profile

X = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def make() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 48, 3, padding=1),
        nn.BatchNorm2d(48),
        nn.ReLU(),
        nn.Conv2d(48, 64, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(64, 32, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    ).eval()


def cost(graph) -> float:
    """A device on which a multiply-accumulate takes a nanosecond, and every run 50 us."""
    return 1e-9 * count_cost(graph).macs + 5e-5


def size(model: bytes) -> float:
    """A device that only reads weights."""
    return 1e-9 * len(model)


@pytest.mark.parametrize("target", [0.7, 0.3, "0.6 ms", "300us"])
@pytest.mark.parametrize("scope", ["uniform", "global"])
def test_target_is_met_within_five_percent(target, scope: str) -> None:
    model = make()
    pruner = OneShotChannelPruner(
        model, X, {"target": {"latency": target}, "scope": scope}, latency=cost
    )
    before = cost(pruner.graph)
    wanted = {"0.6 ms": 6e-4, "300us": 3e-4}.get(target) or target * before
    assert pruner.prune() is model
    assert 0.95 * wanted <= cost(pruner.graph) <= 1.05 * wanted
    assert pruner.calc_latency() == pytest.approx((before, cost(pruner.graph)))


def test_a_latency_beside_flops_meets_both() -> None:
    config = {"target": {"latency": 0.9, "flops": 0.3}}
    pruner = OneShotChannelPruner(make(), X, config, latency=cost)
    pruner.prune()
    share = pruner.calc_flops().after.macs / pruner.calc_flops().before.macs
    assert 0.25 < share <= 0.3


def test_coarse_widths_stay_below_the_target() -> None:
    config = {"target": {"latency": 0.5}, "multiple": 16}
    pruner = OneShotChannelPruner(make(), X, config, latency=cost)
    pruner.prune()
    before, after = pruner.calc_latency()
    assert 0.2 * before < after <= 0.525 * before


def test_what_cannot_be_met_is_refused() -> None:
    with pytest.raises(Error, match=r"0.010 ms cannot be reached: 0.05"):
        OneShotChannelPruner(make(), X, {"target": {"latency": "10 us"}}, latency=cost).prune()
    with pytest.raises(Error, match=r"'target\.latency' must be a number in"):
        OneShotChannelPruner(make(), X, {"target": {"latency": "3 parsecs"}})
    with pytest.raises(Error, match="cannot read the latency table"):
        OneShotChannelPruner(make(), X, {"latency_table": "missing.json"})


def test_table_of_operators(tmp_path) -> None:
    table = profile(make(), X, measure=size, rounds=4, device="a ruler")
    path = tmp_path / "table.json"
    table.save(str(path))
    loaded = LatencyTable.load(str(path))
    assert loaded.to_json() == table.to_json()
    assert len(loaded) == len(table) > 20
    config = {"target": {"latency": 0.5}, "latency_table": str(path)}
    pruner = OneShotChannelPruner(make(), X, config)
    pruner.prune()
    before, after = pruner.calc_latency()
    assert 0.95 * 0.5 <= after / before <= 1.05 * 0.5
    # Widths that nobody measured are interpolated.
    from tinyml._core import convert

    real = size(convert(pruner.graph).to_bytes())
    assert after == pytest.approx(real, rel=0.15)
    lstm = nn.LSTM(4, 4, batch_first=True).eval()
    with pytest.raises(Error, match="is not in the table") as error:
        OneShotChannelPruner(lstm, torch.randn(1, 3, 4), config).prune()
    assert "does not fit the model" in str(error.value)


def test_table_files_are_checked(tmp_path) -> None:
    for text, message in [
        ("{}", "no latency table"),
        ('{"format": "tinyml.latency_table", "version": 2}', "version 2"),
        ('{"format": "tinyml.latency_table", "version": 1, "scale": -1}', "above zero"),
        ("[", "not valid"),
    ]:
        with pytest.raises(Error, match=message):
            LatencyTable.from_json(text)


def test_litert_measures() -> None:
    def conv(width: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(width, width, 3), nn.ReLU(), nn.Conv2d(width, width, 3))

    from tinyml import trace

    graphs = [trace(conv(width).eval(), torch.randn(1, width, 24, 24)) for width in (8, 64)]
    narrow, wide = (measure_latency(graph, least_seconds=0.02) for graph in graphs)
    assert 0 < narrow < wide  # 64 times the arithmetic
    in_turns = InTurns(least_seconds=0.02)
    first = in_turns(graphs[1])
    assert 0 < in_turns(graphs[0]) < first
    assert in_turns(graphs[1]) == first  # the reference


@pytest.mark.parametrize("pruner_class", [ProgressivePruner, NetAdaptPruner])
def test_runs_of_several_cuts(pruner_class, tmp_path) -> None:
    config = {"target": {"latency": 0.5}}
    config |= {"first_reduction": 0.2} if pruner_class is NetAdaptPruner else {"steps": 3}

    def forward(model: nn.Module, segment) -> None:
        model(X.repeat(2, 1, 1, 1)).square().mean().backward()

    def stopped(model: nn.Module, segment) -> None:
        if segment.index == 1:
            raise KeyboardInterrupt
        forward(model, segment)

    def pruner(train):
        return pruner_class(
            make(),
            X,
            config,
            train=train,
            evaluate=lambda m: -float(m(X).square().sum()),
            work_dir=tmp_path,
            latency=cost,
        )

    with pytest.raises(KeyboardInterrupt):
        pruner(stopped).prune()
    resumed = pruner(forward)
    resumed.prune()
    before, after = resumed.calc_latency()
    assert 0.95 * 0.5 <= after / before <= 1.05 * 0.5


def test_several_cuts_take_one_target() -> None:
    for target, message in [({"flops": 0.5, "latency": 0.5}, "takes one"), ({}, "needs a target")]:
        pruner = ProgressivePruner(
            make(), X, {"target": target}, train=lambda *_: None, latency=cost
        )
        with pytest.raises(Error, match=message):
            pruner.prune()


def test_several_cuts_to_a_share_of_the_parameters() -> None:
    pruner = ProgressivePruner(
        make(), X, {"target": {"params": 0.3}, "steps": 3}, train=lambda *_: None
    )
    pruner.prune()
    before, after = (pruner.calc_flops().before.parameters, pruner.calc_flops().after.parameters)
    assert 0.25 < after / before <= 0.3
