"""The live model after pruning equals the original with the removed channels set to zero."""

from __future__ import annotations

import copy
import html
import json
import re
import shutil
import subprocess
import warnings
from xml.etree import ElementTree

import pytest
import torch
import torch.nn.functional as F
from models import ZOO, randomize
from torch import nn

from prune_body import conv
from prune_checks import assert_equal, build, masked, prune_and_compare
from prune_topologies import GENERATED, TOPOLOGIES
from tinyml import (
    Error,
    IdentityChannelPruner,
    OneShotChannelPruner,
    QATQuantizer,
)

METRICS = ["random", "l1_norm", "fpgm", "bn_scale", "lamp", "taylor", "hrank"]


def make(name: str) -> tuple[nn.Module, torch.Tensor]:
    constructor, shape = TOPOLOGIES[name]
    return build(constructor), torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("name", sorted(TOPOLOGIES))
def test_pruned_equals_masked(name: str) -> None:
    followed = []
    for metric in METRICS:
        model, x = make(name)
        followed.append(prune_and_compare(model, (x,), metric, in_place=name not in GENERATED)[1])
    assert all(followed) != (name in GENERATED)


@pytest.mark.parametrize("name", sorted(ZOO))
def test_zoo(name: str, tmp_path) -> None:
    if name == "densenet121":
        pytest.skip("its narrow form densenet_small stands for it")
    model, x = ZOO[name].small(), ZOO[name].example_input()
    original = copy.deepcopy(model)
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    assert pruner.prune() is model
    cost = pruner.calc_flops()
    assert cost.after.macs < 0.65 * cost.before.macs
    assert_equal(model(x), masked(original, pruner.plan)(x), 1e-3)
    model.train()
    model(torch.cat([x, x.flip(-1)])).sum().backward()
    assert all(p.grad is None or p.grad.shape == p.shape for p in model.parameters())

    if name not in ("mobilenet_v3_small", "resnet18", "squeezenet"):
        return  # Applying a plan again is the same for all.
    pruner.save_plan(tmp_path / "plan.json")
    other = randomize(copy.deepcopy(original), 5).eval()
    expected = masked(other, pruner.plan)(x)
    again = OneShotChannelPruner(other, x)
    again.prune(plan=tmp_path / "plan.json")
    assert again.calc_flops().after.macs == cost.after.macs
    assert_equal(other(x), expected, 1e-3)


def test_attributes_follow() -> None:
    model, x = make("TransposedGrouped")
    model.norm = nn.GroupNorm(12, 12).double()
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    pruner.prune()
    stem = model.stem[0]
    assert stem.out_channels == stem.weight.shape[0] == stem.bias.shape[0] < 12
    assert model.stem[1].num_features == stem.out_channels
    assert model.a.in_channels == stem.out_channels
    assert model.a.groups == 3
    assert model.b.groups == model.b.in_channels == model.b.out_channels == model.a.out_channels
    removed = pruner.pruned_indices(stem)["weight"]
    assert sorted(removed) == [0]
    assert len(removed[0]) == 12 - stem.out_channels
    assert pruner.pruned_indices(model.norm) == {}


def test_keeps_flags_dtype_and_gradients() -> None:
    model, x = make("Residual")
    model.train()
    model.stem[1].eval()
    model.a.weight.requires_grad_(False)
    model(x).sum().backward()
    gradient = model.b.weight.grad.clone()
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    pruner.prune()
    assert model.training
    assert not model.stem[1].training
    assert model.b.training
    assert isinstance(model.a.weight, nn.Parameter)
    assert not model.a.weight.requires_grad
    assert model.b.weight.dtype == torch.float64
    assert model.b.weight.requires_grad
    kept = {(cut.parameter, cut.dimension): cut.kept for cut in pruner.plan.cuts}
    expected = gradient[kept["b.weight", 0]][:, kept["b.weight", 1]]
    assert torch.equal(model.b.weight.grad, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_element_types(dtype: torch.dtype) -> None:
    model, x = make("DenseConcat")
    model, x = model.to(dtype), x.to(dtype)
    original = copy.deepcopy(model)
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    assert pruner.prune() is model
    assert all(p.dtype == dtype for p in model.parameters())
    expected = masked(original, pruner.plan)(x)
    assert_equal(model(x).float(), expected.float(), 16 * torch.finfo(dtype).eps)


def test_tied_weights_stay_tied() -> None:
    model, x = make("TiedWeights")
    OneShotChannelPruner(model, x, {"sparsity": 0.5}).prune()
    assert model.a.weight is model.b.weight
    assert model.a.weight.shape[0] < 12


class HardCoded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(3, 8), nn.Linear(8 * 16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.a(x))
        return self.b(x.reshape(x.shape[0], 8 * 16))  # sizes in the code


def test_hard_coded_sizes_get_generated_code() -> None:
    torch.manual_seed(0)
    model, x = HardCoded().eval(), torch.randn(2, 3, 4, 4)
    before = copy.deepcopy(model.state_dict())
    identities = [id(p) for p in model.parameters()]
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    with pytest.warns(UserWarning, match=r"test_prune\.py:\d+ \(return self.b"):
        result = pruner.prune(in_place=False)
    assert [id(p) for p in model.parameters()] == identities
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert model.a.out_channels == 8
    expected = model.state_dict()
    assert sorted(result.state_dict()) == sorted(expected)
    assert result.state_dict()["a.weight"].shape[0] == 4
    original = copy.deepcopy(model)
    assert_equal(result(x), masked(original, pruner.plan)(x), 1e-5)


def test_a_plan_for_another_model_changes_nothing(tmp_path) -> None:
    model, x = make("Residual")
    other, _ = make("DenseConcat")
    first = OneShotChannelPruner(other, x, {"sparsity": 0.5})
    first.prune()
    first.save_plan(tmp_path / "plan.json")
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(Error, match="does not fit the model"):
        OneShotChannelPruner(model, x).prune(plan=tmp_path / "plan.json")
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_a_plan_that_cuts_dependent_channels_apart_is_refused(tmp_path) -> None:
    model, x = make("Residual")
    first = OneShotChannelPruner(copy.deepcopy(model), x, {"sparsity": 0.5})
    first.prune()
    text = first.plan.to_json().replace('"kept":[', '"kept":[0,1,2,3,4,5,6,7,8,9,10,11],"x":[', 1)
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(Error, match="depends on others"):
        OneShotChannelPruner(model, x).prune(plan=tmp_path / "plan.json")


def test_config() -> None:
    model, x = make("DenseConcat")
    with pytest.raises(Error, match="did you mean 'sparsity'"):
        OneShotChannelPruner(model, x, {"sparcity": 0.5})
    with pytest.raises(Error, match="did you mean 'l2_norm'"):
        OneShotChannelPruner(model, x, {"metrics": "l2norm"})
    with pytest.raises(Error, match="which the model does not have"):
        OneShotChannelPruner(model, x, {"exclude_ops": ["aa"]}).prune()


def test_sparsity_per_layer_and_exclusion(tmp_path) -> None:
    model, x = make("DenseConcat")
    config = tmp_path / "config.yml"
    config.write_text("sparsity: {default: 0.5, b: 0.25}\nmetrics: l1_norm\nexclude_ops: [stem]\n")
    OneShotChannelPruner(model, x, config).prune()
    assert model.stem[0].out_channels == 12
    assert model.a.out_channels == 4
    assert model.b.out_channels == 6


@pytest.mark.parametrize("target", [0.6, 0.3])
def test_flops_target(target: float) -> None:
    model, x = ZOO["resnet18"].small(), ZOO["resnet18"].example_input()
    pruner = OneShotChannelPruner(model, x, {"target": {"flops": target}})
    pruner.prune()
    cost = pruner.calc_flops()
    assert 0.85 * target < cost.after.macs / cost.before.macs <= target


def test_multiple() -> None:
    model, x = ZOO["mobilenet_v2"].small(), ZOO["mobilenet_v2"].example_input()
    OneShotChannelPruner(model, x, {"sparsity": 0.4, "multiple": 8}).prune()
    widths = [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert all(width % 8 == 0 for width in widths if width >= 8)


def test_metrics_of_data() -> None:
    """Each metric is followed on a network where it must choose other channels than the norm."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)
    ).eval()
    x = torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([4.0, 0.1, 3.0, 0.2]))
        model[1].bias.copy_(torch.tensor([-90.0, 50.0, 0.0, 50.0]))
        model[3].weight[:, :2] = 0  # the loss does not depend on channels 0 and 1
    kept = {}
    for metric in ("bn_scale", "apoz", "taylor", lambda name, weight: torch.arange(len(weight))):
        one = copy.deepcopy(model)
        one.train()(x).square().sum().backward()
        pruner = OneShotChannelPruner(one.eval(), x, {"metrics": metric, "sparsity": 0.5})
        pruner.prune(batches=[x])
        kept[metric if isinstance(metric, str) else "own"] = pruner.plan.cuts[0].kept
    assert kept == {"bn_scale": [0, 2], "apoz": [1, 3], "taylor": [2, 3], "own": [2, 3]}


def test_metrics_say_what_they_need() -> None:
    model, x = make("Residual")
    with pytest.raises(Error, match=r"stem\.0\.weight' has no gradient"):
        OneShotChannelPruner(model, x, {"metrics": "taylor"}).prune()
    with pytest.raises(Error, match=r"prune\(batches=...\)"):
        OneShotChannelPruner(model, x, {"metrics": "hrank"}).prune()
    with pytest.raises(Error, match="one number a channel"):
        OneShotChannelPruner(model, x, {"metrics": lambda name, weight: weight}).prune()


def test_masked_training_then_cut() -> None:
    model, x = ZOO["resnet8"].small(), ZOO["resnet8"].example_input()
    original = copy.deepcopy(model)
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    pruner.register_mask()
    cost = pruner.calc_flops()
    assert cost.after.macs == cost.before.macs
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    model.train()
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.cat([x, x.flip(-1)])).square().sum().backward()
        optimizer.step()
    model.eval()
    expected = model(x)
    assert not torch.allclose(expected, original(x))
    assert pruner.apply_mask() is model
    assert pruner.calc_flops().after.macs < 0.5 * cost.before.macs
    assert_equal(model(x), expected, 1e-4)
    with pytest.raises(Error, match="no masks"):
        pruner.apply_mask()


def test_masks_leave_directions_and_divisors_alone() -> None:
    model = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3)), nn.ReLU(), nn.Conv2d(8, 2, 1)
    ).eval()
    x = torch.randn(2, 3, 6, 6)
    pruner = OneShotChannelPruner(model, x)
    pruner.register_mask()
    expected = model(x).detach()
    assert expected.isfinite().all()
    pruner.apply_mask()
    assert_equal(model(x), expected, 1e-5)


def test_models_without_prunable_channels_are_told_of() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Softmax(1)).eval()
    pruner = OneShotChannelPruner(model, torch.randn(1, 3, 6, 6), {"sparsity": 0.5})
    with pytest.warns(
        UserWarning, match=r"nothing of this model can be pruned:\n  0\.weight dim 0"
    ):
        assert pruner.prune() is model


def test_quantized_models_are_refused(tmp_path) -> None:
    model, x = ZOO["resnet8"].small(), ZOO["resnet8"].example_input()
    quantized = QATQuantizer(model, x, work_dir=tmp_path).quantize()
    with pytest.raises(Error, match=r"is quantized.*Prune the float model.*DeQuantizer"):
        OneShotChannelPruner(quantized, x)


def test_distributed_models_are_refused(tmp_path) -> None:
    store = f"file://{tmp_path}/store"
    torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(conv(3, 8))
        with pytest.raises(Error, match="prune its `module`"):
            OneShotChannelPruner(model, torch.randn(1, 3, 8, 8))
    finally:
        torch.distributed.destroy_process_group()


def test_report(tmp_path) -> None:
    model, x = ZOO["mobilenet_v2"].small(), ZOO["mobilenet_v2"].example_input()
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    with pytest.raises(Error, match="call prune"):
        pruner.report()
    pruner.prune()
    text = pruner.report(tmp_path / "report.html")
    cost = pruner.calc_flops()
    assert str(cost.before.macs) in text
    assert str(cost.after.macs) in text
    assert re.search("what stays, and why:\n.*it is an output of the network", text, re.S)
    page = (tmp_path / "report.html").read_text()
    for line in text.split("what stays, and why:\n")[1].splitlines():  # the page has all of it
        name, number, reason = re.fullmatch(r"  (.*) \((.*)\): (.*)", line).groups()
        reason, place = re.fullmatch(r"(.*?)((?: in \S+)?(?: at \S+)?)", reason).groups()
        for part in (name, number, reason, place.strip()):
            assert html.escape(part, quote=False) in page
    xml = page.replace("<!DOCTYPE html>", "").replace('<meta charset="utf-8">', "")
    root = ElementTree.fromstring(xml)
    assert len(root.findall(".//svg/text")) >= 2 * len(pruner.dependencies.subgraphs)
    assert f"{cost.after.parameters:,}" in page
    assert "http" not in page  # nothing is loaded
    assert "<script" not in page
    assert "url(" not in page
    assert not [e for e in root.iter() if {"src", "href", "srcset", "data"} & set(e.attrib)]
    assert not {e.tag for e in root.iter()} & {"link", "iframe", "object", "embed", "img"}


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell"))), None)


@pytest.mark.skipif(BROWSER is None, reason="no headless Chromium is installed")
def test_report_in_a_browser(tmp_path) -> None:
    model, x = ZOO["mobilenet_v2"].small(), ZOO["mobilenet_v2"].example_input()
    pruner = OneShotChannelPruner(model, x, {"sparsity": 0.5})
    pruner.prune()
    pruner.report(tmp_path / "report.html", latency=True)
    # What the page is like once laid out, written into it by the test's own script.
    page = (tmp_path / "report.html").read_text()
    script = """<script>const box = e => e.getBoundingClientRect();
    document.body.dataset.state = JSON.stringify({
      rows: document.querySelectorAll("tr").length,
      bars: [...document.querySelectorAll(".bar div div")].filter(e => box(e).width > 0).length,
      svg: box(document.querySelector("svg")).height,
      labels: [...document.querySelectorAll("svg text")].every(e => box(e).height > 5),
      loaded: performance.getEntriesByType("resource").length});</script>"""
    (tmp_path / "probed.html").write_text(page.replace("</body>", script + "</body>"))
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    dom = subprocess.run(
        [*command, (tmp_path / "probed.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    state = json.loads(html.unescape(re.search('data-state="([^"]*)"', dom)[1]))
    subgraphs = len(pruner.dependencies.subgraphs)
    assert state["rows"] > subgraphs
    assert state["bars"] == subgraphs
    assert state["svg"] > 15 * subgraphs
    assert state["labels"]
    assert state["loaded"] == 0


def test_sensitivity_leaves_the_model_as_it_was() -> None:
    model, x = ZOO["resnet8"].small(), ZOO["resnet8"].example_input()
    before = copy.deepcopy(model.state_dict())
    expected = model(x)
    seen = []

    def evaluate(module: nn.Module) -> float:
        seen.append(module(x))
        return -(seen[-1] - expected).square().mean().item()

    found = OneShotChannelPruner(model, x).sensitivity(evaluate, [0.25, 0.75])
    assert {entry.sparsity for entry in found} == {0.25, 0.75}
    assert all(0 < entry.macs < 1 and entry.quality < 0 for entry in found)
    by_name = {(entry.subgraph, entry.sparsity): entry for entry in found}
    for name in {entry.subgraph for entry in found}:
        assert by_name[name, 0.75].macs < by_name[name, 0.25].macs
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_identity_pruner_changes_nothing(tmp_path) -> None:
    model, x = ZOO["resnet8"].small(), ZOO["resnet8"].example_input()
    before = copy.deepcopy(model.state_dict())
    pruner = IdentityChannelPruner(model, x)
    assert pruner.prune() is model
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    pruner.graph.generate_code(tmp_path / "m.py", tmp_path / "m.pt", "Net")
    assert pruner.calc_flops().after.macs == pruner.calc_flops().before.macs


@pytest.mark.parametrize("scope", ["uniform", "global"])
def test_parameter_target(scope: str) -> None:
    model, x = ZOO["mobilenet_v2"].small(), ZOO["mobilenet_v2"].example_input()
    pruner = OneShotChannelPruner(model, x, {"target": {"params": 0.4}, "scope": scope})
    pruner.prune()
    cost = pruner.calc_flops()
    assert 0.3 < cost.after.parameters / cost.before.parameters <= 0.4


def test_the_same_config_gives_the_same_plan() -> None:
    plans = []
    for _ in range(2):
        model, x = make("CrossingCats")
        pruner = OneShotChannelPruner(model, x, {"metrics": "random", "seed": 3})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pruner.prune()
        plans.append(pruner.plan.to_json())
    assert plans[0] == plans[1]


def test_forks_prune_copies() -> None:
    model, x = make("CrossingCats")
    model(x).sum().backward()
    first = OneShotChannelPruner(model, x)
    before = model(x)
    taylor = first.fork({"metrics": "taylor", "sparsity": 0.5})
    taylor.prune()
    again = OneShotChannelPruner(copy.deepcopy(model), x)
    for mine, theirs in zip(model.parameters(), again.model.parameters(), strict=True):
        theirs.grad = mine.grad
    assert taylor.plan.to_json() == again.fork({"metrics": "taylor"}).make_plan().to_json()
    assert_equal(model(x), before, 1e-9)
    assert_equal(taylor.model(x), masked(model, taylor.plan)(x), 1e-9)
    with pytest.raises(Error, match="fork a pruner before that"):
        taylor.fork()
