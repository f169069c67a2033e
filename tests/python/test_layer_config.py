"""The layer-wise configuration: written by the first run, edited, read by the next one."""

import subprocess

import numpy as np
import pytest
import torch
from torch import nn

import tinyml
from conversion import run_all
from test_cli import export, succeed
from test_cli import tinyml as run_tool
from tinyml import DynamicQuantizer, PostQuantizer, QATQuantizer, _core


class Net(nn.Module):
    def __init__(self, extra=False):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Conv2d(8, 8, 3, padding=1)
        self.extra = nn.Conv2d(8, 8, 1) if extra else None
        self.gate = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(self.body(x)) + x
        if self.extra is not None:
            x = self.extra(x)
        x = torch.max_pool2d(x, 2)
        x = self.gate(x) * x
        return self.head(x.mean((2, 3)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval(), torch.randn(2, 3, 12, 12)


def edit(path, *changes):
    text = path.read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)


def line(name, op, kind, precision="int8"):
    return f"{name}: {{operator: {op}, type: {kind}, precision: {precision}"


def run_file(module, x):
    """The converted file's operators, after a comparison on every set of kernels."""
    result = _core.convert(tinyml.trace(module, (x,)))
    with torch.no_grad():
        for error in run_all(result, [x], [module(x)], ("xnnpack", "builtin", "reference")):
            assert error.snr_db > 35, error
    return result.operators


def test_a_run_of_16_bit_layers_computes_on_integers(net, tmp_path):
    """Between int8 layers: values are requantized, nothing becomes float."""
    model, x = net
    snr = []
    for wide in (False, True):
        quantizer = PostQuantizer(model, x, tmp_path)
        module = quantizer.calibrate([x])
        operators = run_file(module, x)
        assert operators["DEQUANTIZE"] == 1
        with torch.no_grad():
            signal, noise = model(x), module(x) - model(x)
        snr.append(10 * float(torch.log10(signal.square().sum() / noise.square().sum())))
        if not wide:
            edit(
                quantizer.layers_path,
                (line("gate", "conv2d", "Conv2d"), line("gate", "conv2d", "Conv2d", "int16")),
                (line("mul", "mul", "Net"), line("mul", "mul", "Net", "int16")),
                (line("head", "linear", "Linear"), line("head", "linear", "Linear", "int16")),
                (line("mean", "mean", "Net"), line("mean", "mean", "Net", "int16")),
            )
    assert operators["QUANTIZE"] == 2  # the input, and from int8 to int16
    assert snr[1] > snr[0] + 0.5


@pytest.mark.parametrize("kind", [QATQuantizer, PostQuantizer])
def test_what_was_edited_is_done(net, tmp_path, kind):
    model, x = net
    quantizer = kind(model, x, tmp_path)
    quantizer.quantize()
    names = [name.strip() for name in quantizer.layers_path.read_text().splitlines()]
    assert line("stem.0", "conv2d", "ConvBn2d") + ", weight: int8}" in names
    edit(
        quantizer.layers_path,
        (line("body", "conv2d", "Conv2d"), line("body", "conv2d", "Conv2d", "float")),
        ("  mul: {precision: int8}", "  mul: {precision: float}"),
    )
    again = kind(model, x, tmp_path)
    again.quantize()
    assert [item.name for item in again.report.float_operators] == ["conv2d_1", "relu_1", "mul"]
    skipped = kind(model, x, tmp_path, {"ignore_layerwise_config": True})
    skipped.quantize()
    assert not skipped.report.float_operators
    # Another model: what was edited is neither used nor lost.
    text = quantizer.layers_path.read_text()
    with pytest.raises(tinyml.Error, match=r"edited.*\n.*no line for the layer 'extra'"):
        kind(Net(extra=True).eval(), x, tmp_path).quantize()
    with pytest.raises(
        tinyml.Error, match=r"gave 'stem\.0' int8 with int8 weights, it gives float"
    ):
        kind(model, x, tmp_path, {"ignore": ["stem.0"]}).quantize()
    assert quantizer.layers_path.read_text() == text


def test_weights_alone(net, tmp_path):
    model, x = net
    quantizer = DynamicQuantizer(model, x, tmp_path)
    quantizer.quantize()
    text = quantizer.layers_path.read_text()
    assert "head: {operator: linear, type: Linear, weight: int8}" in text
    assert "mul" not in text
    edit(quantizer.layers_path, ("type: Linear, weight: int8", "type: Linear, weight: float"))
    again = DynamicQuantizer(model, x, tmp_path)
    module = again.quantize()
    assert [item.module_path for item in again.report.float_operators] == ["head"]
    assert isinstance(module.head, nn.Linear)


def test_a_transformers_sums_are_float_unless_they_are_named(tmp_path):
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    x = torch.randn(1, 5, 16)
    quantizer = PostQuantizer(model, x, tmp_path)
    quantizer.quantize()
    sums = [
        name for name in quantizer.layers_path.read_text().splitlines() if "operator: add" in name
    ]
    assert len(sums) == 2
    assert all("precision: float" in name for name in sums)
    edit(quantizer.layers_path, (sums[0], sums[0].replace("float", "int8")))
    again = PostQuantizer(model, x, tmp_path)
    again.quantize()
    assert sum(item.op.startswith("aten.add.") for item in again.report.float_operators) == 1


def test_command_line(net, tmp_path):
    model, x = net
    source, layers = export(model, x, tmp_path / "m.pt2"), tmp_path / "layers.yaml"
    np.save(tmp_path / "x.npy", x.numpy())
    arguments = ("quantize", source, "--calibration", tmp_path / "x.npy", "-o", tmp_path / "q.pt2")
    succeed(*arguments, "--layers", layers)
    edit(layers, ("  mul: {precision: int8}", "  mul: {precision: float}"))
    assert "mul (aten.mul" in succeed(*arguments, "--layers", layers).stdout
    edit(layers, ("  mul: {precision: float}", "  mul: {precison: float}"))
    result: subprocess.CompletedProcess[str] = run_tool(*arguments, "--layers", layers)
    assert result.returncode == 1
    assert "is 'precision' meant?" in result.stderr
