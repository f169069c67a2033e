"""Error attribution on written files: faults put in on purpose are found where they are."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import tinyml
from conversion import convert_module
from test_cli_tflite import TOOL, litert, run
from tinyml import PostQuantizer
from tinyml.verification import measure_error, run_tflite


class Net(nn.Module):
    def __init__(self, tie=1.0, outlier=1.0):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.third = nn.Conv2d(8, 8, 1)
        self.last = nn.Linear(16, 4)
        self.tie = tie
        with torch.no_grad():
            self.second.weight[3] *= outlier
            self.third.weight[:, 3] /= outlier

    def forward(self, x):
        x = torch.relu(self.first(x))
        y = torch.relu(self.third(torch.relu(self.second(x))))
        z = torch.cat([x * self.tie, y], 1)
        return self.last(z.mean((2, 3)))


def quantize(model, tmp_path, config=None):
    torch.manual_seed(1)
    batches = [torch.randn(1, 3, 12, 12) for _ in range(4)]
    quantized = PostQuantizer(model, batches[0], tmp_path, config).calibrate(batches)
    return quantized, batches


def make(tmp_path, config=None, **faults):
    torch.manual_seed(0)
    return quantize(Net(**faults).eval(), tmp_path, config)


def explain(model, batches, **options):
    content = convert_module(model, batches[0]).to_bytes()
    return tinyml.explain(content, model, batches, **options)


def causes(found, name):
    [layer] = [layer for layer in found.layers if layer.name.split("/")[-1] == name]
    return [finding.cause for finding in layer.findings]


def test_a_sound_model_has_only_rounding(tmp_path):
    model, batches = make(tmp_path)
    found = explain(model, batches, html=tmp_path / "report.html")
    assert {f.cause for layer in found.layers for f in layer.findings} <= {
        "rounding",
        "weight rounding",
        "clipped range",
    }
    assert all(layer.kernel for layer in found.layers)
    assert min(layer.own_snr_db for layer in found.layers) > 30
    kernels = {layer.name.split("/")[-1]: layer.kernel for layer in found.layers}
    assert kernels["x"] == "QUANTIZE"
    assert kernels["relu"] == "CONV_2D"
    assert kernels["linear"] == "FULLY_CONNECTED"
    # One layer after another loses; alone each loses less than all so far.
    for layer in found.layers[1:]:
        assert layer.own_snr_db >= layer.snr_db - 3
    page = (tmp_path / "report.html").read_text()
    assert all(layer.name in page for layer in found.layers)
    assert str(found).count("\n") > len(found.layers)


def test_the_outputs_error_is_the_files(tmp_path):
    model, batches = make(tmp_path)
    found = explain(model, batches)
    result = convert_module(model, batches[0])
    tinyml.nn.set_fake_quant(model, False)
    with torch.no_grad():
        truth = torch.cat([model(batch) for batch in batches]).numpy()
    orders = {"input_orders": result.input_orders, "output_orders": result.output_orders}
    actual = [run_tflite(result.to_bytes(), [batch.numpy()], **orders)[0] for batch in batches]
    expected = measure_error("", truth, np.concatenate(actual)).snr_db
    assert found.outputs[0].snr_db == pytest.approx(expected, abs=0.01)


def test_clipped_and_dead_ranges_are_named(tmp_path):
    model, batches = make(tmp_path)
    with torch.no_grad():
        model.fq_relu_1.scale /= 4
        model.fq_mean.scale *= 8
    found = explain(model, batches, html=tmp_path / "report.html")
    assert causes(found, "relu_1")[0] == "clipped range"
    assert "dead range" in causes(found, "mean")
    assert not {"clipped range", "dead range"} & set(causes(found, "relu"))
    worst = min(found.layers, key=lambda layer: layer.own_snr_db)
    assert worst.name.endswith("relu_1")
    assert "min_max" in worst.findings[0].remedy
    page = (tmp_path / "report.html").read_text()
    places = re.findall(r"dB alone, (.*):([0-9]+)\n", str(found))
    assert len(places) == sum(bool(layer.findings) for layer in found.layers)
    for file, line in places:  # of the generated code, also of layers that are called there
        assert f"{file}:{line}" in page
        assert ".py" in file
        assert str(tmp_path) in file


def test_an_outlier_channel_is_named(tmp_path):
    model, batches = make(tmp_path, outlier=60.0)
    found = explain(model, batches)
    assert "outlier channel" in causes(found, "relu_1")
    [layer] = [layer for layer in found.layers if layer.name.endswith("relu_1")]
    [finding] = [f for f in layer.findings if f.cause == "outlier channel"]
    assert "channel 3" in finding.detail
    assert "cross_layer_equalize" in finding.remedy


def test_a_concatenations_coarse_scale_is_named(tmp_path):
    model, batches = make(tmp_path, tie=40.0)
    assert "tied scales" in causes(explain(model, batches), "cat")


def test_one_scale_for_uneven_weights_is_named(tmp_path):
    torch.manual_seed(0)
    net = Net().eval()
    with torch.no_grad():
        net.first.weight[0] *= 100
    model, batches = quantize(net, tmp_path, {"layers": {"first": {"per_tensor": True}}})
    with torch.no_grad():
        model.first.weight[0] /= 100  # the scale stays
    found = explain(model, batches)
    [layer] = [layer for layer in found.layers if layer.name.split("/")[-1] == "relu"]
    assert layer.findings[0].cause == "weight rounding"
    assert "per_tensor: false" in layer.findings[0].remedy


class Faint(nn.Module):
    """One channel whose weights are tiny beside its bias, with a batch norm or without."""

    def __init__(self, norm):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4) if norm else nn.Identity()
        with torch.no_grad():
            self.layer.weight[1] = 1e-9
            if norm:
                self.norm.bias[1] = 2.0

    def forward(self, x):
        return torch.relu(self.norm(self.layer(x)))


@pytest.mark.parametrize("norm", [False, True])
def test_a_bias_that_does_not_fit_is_named(norm, tmp_path):
    torch.manual_seed(0)
    model, batches = quantize(Faint(norm).eval(), tmp_path)
    found = explain(model, batches)
    assert causes(found, "relu")[0] == "bias overflow"
    assert not causes(found, "x")
    [layer] = [layer for layer in found.layers if layer.name.endswith("relu")]
    assert "per_tensor" in layer.findings[0].remedy


def test_a_fake_quant_without_a_tensor_is_named(tmp_path):
    """The file was made without one that the model has."""
    model, batches = make(tmp_path)
    model.fq_relu_1.set_quantizing(False)
    content = convert_module(model, batches[0]).to_bytes()
    model.fq_relu_1.set_quantizing(True)
    found = tinyml.explain(content, model, batches)
    assert causes(found, "relu_1") == ["no integer form"]
    assert "no integer form" not in causes(found, "relu")


def test_what_cannot_be_explained_is_refused(tmp_path):
    model, batches = make(tmp_path)
    content = convert_module(model, batches[0]).to_bytes()
    with pytest.raises(tinyml.Error, match="no FakeQuant"):
        tinyml.explain(content, Net().eval(), batches)
    with pytest.raises(tinyml.Error, match="no sample"):
        tinyml.explain(content, model, [])
    with pytest.raises(tinyml.Error, match="shape"):
        tinyml.explain(content, model, [torch.randn(1, 3, 10, 10)])


@pytest.mark.skipif(TOOL is None, reason="the command-line tool is not built")
def test_the_command_line_says_the_same(tmp_path):
    model, batches = make(tmp_path)
    graph = tinyml.trace(model, batches[0])
    graph.save(str(tmp_path / "q.pt2"))
    convert_module(model, batches[0]).write(str(tmp_path / "q.tflite"))
    np.save(tmp_path / "x.npy", torch.cat(batches).numpy())
    page = tmp_path / "page.html"
    text = run(
        "explain", tmp_path / "q.tflite", "--against", tmp_path / "q.pt2",
        "--inputs", tmp_path / "x.npy", "--html", page, "--litert", litert(),
    )  # fmt: skip
    found = explain(model, batches)
    assert f"output 'output': {found.outputs[0].snr_db:.1f} dB" in text
    assert "<table>" in page.read_text()


class Heads(nn.Module):
    """Maps that are split and permuted as detectors do; the file holds some merged or in another
    order."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 15, 1)
        self.last = nn.Linear(5, 6)

    def forward(self, x):
        y = self.conv(x).view(1, 3, 5, 4, 2).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
        first, second = y.split((2, 3), 4)
        rotated = torch.cat([-second, first * 2], 4)
        return self.last(rotated.reshape(1, -1, 5)).transpose(1, 2)


@pytest.mark.parametrize("kernels", ["xnnpack", "reference"])
def test_values_are_found_in_whatever_order_the_file_holds_them(kernels, tmp_path):
    torch.manual_seed(0)
    batches = [torch.randn(1, 4, 4, 2) for _ in range(3)]
    model = PostQuantizer(Heads().eval(), batches[0], tmp_path).calibrate(batches)
    found = explain(model, batches, kernels=kernels)
    assert all(layer.kernel for layer in found.layers)
    assert [layer.name for layer in found.layers if layer.apart or layer.own_snr_db < 30] == []


class Sequence(nn.Module):
    """Convolutions over time: between them the file holds images of one row."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 8, 3), nn.ReLU(),
            nn.Conv1d(8, 4, 1), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


class Shuffled(nn.Module):
    """A channel shuffle that the file has in its weights: tensors behind it hold other orders."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.left, self.right = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.deep = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = torch.relu(self.first(x))
        a, b = x.chunk(2, 1)
        x = torch.cat([a, torch.relu(self.left(b))], 1)
        x = x.view(1, 2, 4, 6, 6).transpose(1, 2).reshape(1, 8, 6, 6)
        return self.last(self.deep(x))


@pytest.mark.parametrize(
    ("net", "shape"), [(Sequence, (1, 3, 20)), (Shuffled, (1, 3, 6, 6))], ids=["rows", "shuffle"]
)
def test_every_layer_is_measured_on_its_own_inputs(net, shape, tmp_path):
    torch.manual_seed(0)
    batches = [torch.randn(shape) for _ in range(3)]
    model = PostQuantizer(net().eval(), batches[0], tmp_path).calibrate(batches)
    found = explain(model, batches)
    layers = [layer for layer in found.layers if layer.kernel]
    assert len(layers) >= 4
    assert min(layer.own_snr_db for layer in layers) > 30
    assert [layer.name for layer in layers if layer.unequal > 0.002] == []


def test_ties_that_a_kernel_breaks_otherwise_are_named(tmp_path):
    torch.manual_seed(0)
    model, batches = quantize(nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(3, 4, 1)).eval(), tmp_path)
    found = explain(model, batches, kernels="reference")
    [layer] = [layer for layer in found.layers if layer.op == "aten.avg_pool2d.default"]
    [finding] = [f for f in layer.findings if f.cause == "kernel rounding"]
    assert "% of the values" in finding.detail
    assert 0.05 < layer.unequal < 0.2
    assert layer.apart == 0


def worst_snr(config, tmp_path, name, **faults):
    """(dB of the layer alone, dB of the file) with this configuration."""
    model, batches = make(tmp_path, config, **faults)
    found = explain(model, batches)
    [layer] = [layer for layer in found.layers if layer.name.split("/")[-1] == name]
    return layer.own_snr_db, found.outputs[0].snr_db, layer.findings


def test_the_remedies_help(tmp_path):
    clipping = {"layers": {"second": {"algorithm": "percentile", "percentile": 95}}}
    alone, _, findings = worst_snr(clipping, tmp_path / "a", "relu_1")
    assert 'layers: {"' in findings[0].remedy
    assert "min_max" in findings[0].remedy
    cured = {"layers": {**clipping["layers"], "second*": {"algorithm": "min_max"}}}
    assert worst_snr(cured, tmp_path / "b", "relu_1")[0] > alone + 6

    _, whole, _ = worst_snr({}, tmp_path / "c", "relu_1", outlier=60.0)
    equalized = {"cross_layer_equalization": True}
    assert worst_snr(equalized, tmp_path / "d", "relu_1", outlier=60.0)[1] > whole + 6

    wide = {"layers": {"*": {"bits": {"activation": 16, "weight": 8}}}}
    _, tied, findings = worst_snr({}, tmp_path / "e", "cat", tie=40.0)
    assert "16" in next(f.remedy for f in findings if f.cause == "tied scales")
    assert worst_snr(wide, tmp_path / "f", "cat", tie=40.0)[1] > tied + 3
