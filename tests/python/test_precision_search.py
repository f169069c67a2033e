"""Automatic mixed precision, from data to a converted file."""

import subprocess

import numpy as np
import pytest
import torch
from torch import nn

import tinyml
from conversion import run_all
from test_cli import export, succeed
from test_cli import tinyml as run_tool
from tinyml import MixedPrecisionSearch, QATQuantizer, _core


class Net(nn.Module):
    """A channel that is out of proportion, and not read, leaves the others few levels."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.spread = nn.Conv2d(8, 8, 3, padding=1)
        self.gather = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 4)
        with torch.no_grad():
            self.spread.weight[2] *= 300
            self.gather.weight[:, 2] = 0

    def forward(self, x):
        x = torch.relu(self.spread(self.stem(x)))
        return self.head(torch.relu(self.gather(x)).mean((2, 3)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval(), [torch.randn(2, 3, 10, 10) for _ in range(3)]


def snr(module, model, batches):
    with torch.no_grad():
        signal = sum(float(model(x).square().sum()) for x in batches)
        noise = sum(float((module(x) - model(x)).square().sum()) for x in batches)
    return 10 * np.log10(signal / noise)


def make(net, tmp_path, **options):
    model, batches = net
    return MixedPrecisionSearch(model, batches[0], batches, tmp_path, **options)


@pytest.mark.parametrize("precisions", [("int16",), ("float",)])
def test_the_sensitive_layers_get_more_bits(net, tmp_path, precisions):
    model, batches = net
    search = make(net, tmp_path, target={"snr": 36}, precisions=precisions)
    module = search.search()
    found = search.result
    assert found.complete
    assert found.configured.quality < 36 <= found.chosen.quality
    assert snr(module, model, batches) > found.chosen.quality - 1
    chosen = {layer.name: layer.precision for layer in found.layers}
    assert chosen["spread"] == chosen["gather"] == precisions[0]
    assert "int8" in chosen.values()
    assert found.chosen.cost < found.float_cost
    # The file computes the same, and the next quantizer has the same precisions.
    result = _core.convert(tinyml.trace(module, batches[0]))
    with torch.no_grad():
        for error in run_all(result, [batches[0]], [module(batches[0])], ("xnnpack", "reference")):
            assert error.snr_db > 35
    trained = QATQuantizer(model, batches[0], tmp_path).quantize()
    assert {name for name, _ in tinyml.nn.fake_quantizers(trained)} == {
        name for name, _ in tinyml.nn.fake_quantizers(module)
    }


def test_a_quality_of_the_users_own(net, tmp_path):
    model, batches = net
    seen = []

    def evaluate(module):
        assert not module.training
        seen.append(-sum(float((module(x) - model(x)).abs().max().detach()) for x in batches))
        return seen[-1]

    first = make(net, tmp_path, target={"quality": -1e9}, evaluate=evaluate)
    first.search()
    aim = first.result.configured.quality / 2
    for sensitivity in ("snr", "evaluate"):
        options = {"evaluate": evaluate, "sensitivity": sensitivity, "journal": False}
        search = make(net, tmp_path, target={"quality": aim}, **options)
        search.search()
        assert search.result.chosen.quality >= aim
    assert len(seen) > 10


def test_a_budget_of_cost_and_a_function_for_it(net, tmp_path):
    calls = []

    def latency(graph):
        calls.append(sum(op.startswith("aten.conv2d") for op in str(graph).split()))
        model = _core.convert(graph)
        return 1.0 + model.operators.get("DEQUANTIZE", 0) + model.operators.get("QUANTIZE", 0)

    search = make(net, tmp_path, target={"latency": "4 s"}, latency=latency, precisions=["float"])
    search.search()
    assert calls
    assert search.result.chosen.cost <= 4
    assert search.result.chosen.quality >= search.result.configured.quality
    assert "% of float" in str(search.result)


def test_interrupts_and_budgets_give_the_best_so_far(net, tmp_path):
    steps = []

    def interrupt(phase, done, total):
        steps.append(phase)
        if len(steps) == 5:
            raise KeyboardInterrupt  # what Python makes of Ctrl-C

    target = {"bit_operations": 0.5}
    search = make(net, tmp_path, target=target, on_progress=interrupt)
    module = search.search()
    assert not search.result.complete
    assert search.result.chosen.cost <= 0.5 * search.result.float_cost
    assert not module.training
    before = len(steps)
    again = make(net, tmp_path, target=target, on_progress=lambda *step: steps.append(step))
    again.search()
    assert again.result.complete
    whole = make(net, tmp_path, target=target, journal=False)
    whole.search()
    assert again.result.text == whole.result.text
    assert len(steps) > before
    assert list(tmp_path.glob("*_layers.yaml.old"))


def test_mistakes_are_named(net, tmp_path):
    for options, message in (
        ({"target": {"snr": 500}, "precisions": ("int16",)}, "the best has"),
        ({"target": {"snr": 30, "latency": 0.5}}, "has one target"),
        ({"target": {"quality": 0.5}}, "it needs evaluate"),
        ({"target": {"latncy": 0.5}}, "is 'latency' meant"),
        ({"target": {"snr": 30}, "precisions": ("int4",)}, "unknown precisions int4"),
        ({"target": {"snr": 30}, "sensitivity": "hessian"}, "'snr', or 'evaluate'"),
    ):
        with pytest.raises(tinyml.Error, match=message):
            make(net, tmp_path, journal=False, **options).search()
    make(net, tmp_path, target={"snr": 1}).search()
    model, batches = net
    with pytest.raises(tinyml.Error, match="another model, data or configuration"):
        MixedPrecisionSearch(model, batches[0], batches[:1], tmp_path, target={"snr": 1}).search()


def test_command_line(net, tmp_path):
    model, batches = net
    source, layers, output = tmp_path / "m.pt2", tmp_path / "layers.yaml", tmp_path / "q.pt2"
    export(model, batches[0], source)
    np.save(tmp_path / "x.npy", torch.cat(batches).numpy())
    arguments = ("quantize", source, "--calibration", tmp_path / "x.npy", "-o", output)
    text = succeed(*arguments, "--search", "snr=36", "--precisions", "int16", "--layers", layers)
    assert "chosen" in text.stdout
    searched = torch.export.load(output).module()
    assert snr(searched, model, batches) > 35.5
    output.unlink()
    succeed(*arguments, "--layers", layers)  # the file alone gives the same
    x = batches[0]
    assert torch.equal(torch.export.load(output).module()(x), searched(x))
    out_of_reach = ("--search", "snr=400", "--precisions", "int16")
    wrong: subprocess.CompletedProcess[str] = run_tool(*arguments, *out_of_reach)
    assert wrong.returncode == 1
    assert "the best has" in wrong.stderr
