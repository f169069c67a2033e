"""Models that torch.ao.quantization has converted: the file's outputs are within one step."""

import copy
import warnings
from contextlib import contextmanager

import pytest
import torch
import torch.ao.nn.quantized as nnq
import torch.ao.nn.quantized.dynamic as nnqd
import torch.ao.quantization as tq
import torch.nn.functional as F
from torch import nn

import tinyml
from conversion import random_input, run_all
from tinyml import Error, TFLiteConverter, _core
from tinyml.from_quantized import from_quantized, has_dynamic_layers
from tinyml.quantized_tensors import is_quantized

ALL_KERNELS = ("xnnpack", "builtin", "reference")


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def engine(name):
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


def quantized(x, scale=0.05, zero_point=120, dtype=torch.quint8):
    return torch.quantize_per_tensor(x, scale, zero_point, dtype)


class Function(nn.Module):
    """A function of a quantized tensor, with its stubs."""

    def __init__(self, function, **modules):
        super().__init__()
        self.quant = nnq.Quantize(0.05, 120, torch.quint8)
        self.function = function
        self.parts = nn.ModuleDict(modules)

    def forward(self, x):
        result = self.function(self.quant(x), **self.parts)
        return result.dequantize() if isinstance(result, torch.Tensor) else result


def _q():
    functional = nnq.QFunctional()
    functional.scale, functional.zero_point = 0.08, 110
    return functional


def _batch_norm(kind):
    module = kind(4).eval()
    torch.nn.init.uniform_(module.running_mean)
    module.scale, module.zero_point = torch.tensor(0.04), torch.tensor(128)
    return module


# The engines x86 and onednn of torch 2.13 ignore the input's zero point in transposed convolutions.
ENGINES = {"conv_transpose1d": "qnnpack", "conv_transpose2d": "qnnpack"}


def _conv(kind, *args, per_channel=True, **kwargs):
    transposed = "Transpose" in kind.__name__
    with engine("qnnpack" if transposed else torch.backends.quantized.engine):
        return _with_weights(kind(*args, **kwargs), per_channel)


def _with_weights(module, per_channel):
    weight, bias = module._weight_bias()
    shape = weight.shape
    value = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 0.2
    if per_channel:
        scale = value.abs().amax(list(range(1, value.dim()))) / 127.5
        value = torch.quantize_per_channel(
            value, scale, torch.zeros(shape[0], dtype=torch.long), 0, torch.qint8
        )
    else:
        value = torch.quantize_per_tensor(value, 0.006, 0, torch.qint8)
    module.set_weight_bias(value, bias)
    module.scale, module.zero_point = 0.06, 128
    return module


def _ones(count):
    return nn.Parameter(torch.ones(count))


def _weights():
    return torch.quantize_per_tensor(torch.full((1,), 0.25), 0.01, 0, torch.quint8)


def _prelu():
    module = nnq.PReLU(0.05, 100)
    module.set_weight(_weights())
    return module


# name -> function of a quantized 1x4x6x6 tensor and modules, modules, step of the result
CASES = {
    "add": (lambda x, q: q.add(x, x.flip(1)), {"q": _q()}, 0.08),
    "add_relu": (lambda x, q: q.add_relu(x, x), {"q": _q()}, 0.08),
    "add_number": (lambda x, q: q.add_scalar(x, 1.3), {"q": _q()}, 0.05),
    "add_far_number": (lambda x, q: q.add_scalar(x, 9.0), {"q": _q()}, 0.08),
    "add_negative_number": (lambda x, q: q.add_scalar(x, -8.5), {"q": _q()}, 0.08),
    "mul": (lambda x, q: q.mul(x, x), {"q": _q()}, 0.08),
    "mul_number": (lambda x, q: q.mul_scalar(x, 0.7), {"q": _q()}, 0.05),
    "mul_negative_number": (lambda x, q: q.mul_scalar(x, -0.7), {"q": _q()}, 0.05),
    "cat": (lambda x, q: q.cat([x, x], 1), {"q": _q()}, 0.08),
    "relu": (lambda x: F.relu(x), {}, 0.05),
    "relu6": (lambda x, m: m(x), {"m": nnq.ReLU6()}, 0.05),
    "hardswish": (lambda x, m: m(x), {"m": nnq.Hardswish(0.03, 20)}, 0.03),
    "elu": (lambda x, m: m(x), {"m": nnq.ELU(0.03, 30)}, 0.03),
    "leaky_relu": (lambda x, m: m(x), {"m": nnq.LeakyReLU(0.04, 20, 0.1)}, 0.04),
    "prelu": (lambda x, m: m(x), {"m": _prelu()}, 0.05),
    "sigmoid": (lambda x, m: m(x), {"m": nnq.Sigmoid(1 / 256, 0)}, 1 / 256),
    "softmax": (lambda x, m: m(x), {"m": nnq.Softmax(1, 1 / 256, 0)}, 1 / 256),
    "functional_sigmoid": (lambda x: torch.sigmoid(x), {}, 1 / 256),
    "tanh": (lambda x: torch.tanh(x), {}, 1 / 128),
    "hardsigmoid": (lambda x: F.hardsigmoid(x), {}, 1 / 256),
    "batch_norm": (lambda x, m: m(x), {"m": _batch_norm(nnq.BatchNorm2d)}, 0.04),
    "batch_norm_relu": (
        lambda x, m: m(x),
        {"m": _batch_norm(torch.ao.nn.intrinsic.quantized.BNReLU2d)},
        0.04,
    ),
    "layer_norm": (
        lambda x, m: m(x),
        {"m": nnq.LayerNorm(6, _ones(6), _ones(6), 0.03, 128)},
        0.03,
    ),
    "group_norm": (
        lambda x, m: m(x),
        {"m": nnq.GroupNorm(2, 4, _ones(4), _ones(4), 0.03, 128)},
        0.03,
    ),
    "instance_norm": (
        lambda x, m: m(x),
        {"m": nnq.InstanceNorm2d(4, _ones(4), _ones(4), 0.03, 128)},
        0.03,
    ),
    "max_pool": (lambda x: F.max_pool2d(x, 2), {}, 0.05),
    "avg_pool": (lambda x: F.avg_pool2d(x, 2), {}, 0.05),
    "adaptive_pool": (lambda x: F.adaptive_avg_pool2d(x, 1), {}, 0.05),
    "mean": (lambda x: x.mean([2, 3]), {}, 0.05),
    "upsample": (lambda x: F.interpolate(x, scale_factor=2.0), {}, 0.05),
    "shapes": (lambda x: x.permute(0, 2, 3, 1)[:, 1:].reshape(x.size(0), -1), {}, 0.05),
    "chunk": (lambda x: torch.cat(x.chunk(2, 1)[::-1], 1), {}, 0.05),
    "dropout": (lambda x, m: m(x), {"m": nnq.Dropout(0.3)}, 0.05),
    "conv2d": (lambda x, m: m(x), {"m": _conv(nnq.Conv2d, 4, 6, 3, padding=1)}, 0.06),
    "conv2d_per_tensor": (
        lambda x, m: m(x),
        {"m": _conv(nnq.Conv2d, 4, 6, 3, stride=2, per_channel=False)},
        0.06,
    ),
    "conv2d_relu": (
        lambda x, m: m(x),
        {"m": _conv(torch.ao.nn.intrinsic.quantized.ConvReLU2d, 4, 8, 3, groups=2)},
        0.06,
    ),
    "conv1d": (lambda x, m: m(x.flatten(2)), {"m": _conv(nnq.Conv1d, 4, 6, 5)}, 0.06),
    "linear": (lambda x, m: m(x.flatten(1)), {"m": _conv(nnq.Linear, 144, 5)}, 0.06),
    "linear_relu": (
        lambda x, m: m(x),
        {"m": _conv(torch.ao.nn.intrinsic.quantized.LinearReLU, 6, 5)},
        0.06,
    ),
    "conv_transpose2d": (
        lambda x, m: m(x),
        {"m": _conv(nnq.ConvTranspose2d, 4, 3, 3, stride=2, per_channel=False)},
        0.06,
    ),
    "conv_transpose1d": (
        lambda x, m: m(x.flatten(2)),
        {"m": _conv(nnq.ConvTranspose1d, 4, 3, 3, stride=2, per_channel=False)},
        0.06,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    function, modules, step = CASES[name]
    model, x = Function(function, **modules).eval(), random_input(1, 4, 6, 6)
    with engine(ENGINES.get(name, torch.backends.quantized.engine)):
        expected = [model(x)]
    result = _core.convert(tinyml.trace(model, (x,)))
    for error in run_all(result, [x], expected, ALL_KERNELS):
        assert error.max_abs <= 1.01 * step, error
        assert error.snr_db >= 24, error


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = tq.QuantStub(), tq.DeQuantStub()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.add = nnq.FloatFunctional()
        self.cat = nnq.FloatFunctional()
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.relu(self.bn(self.conv(self.quant(x))))
        y = self.add.add_relu(x, self.depthwise(x))
        z = F.max_pool2d(self.cat.cat([y, x], 1), 2)
        return self.dequant(self.fc(torch.flatten(self.pool(z), 1)))


@pytest.mark.parametrize("name", ["x86", "qnnpack"])
def test_eager_mode(name, tmp_path):
    with engine(name):
        torch.manual_seed(0)
        model = tq.fuse_modules(Net().eval(), [["conv", "bn", "relu"]])
        model.qconfig = tq.get_default_qconfig(name)
        prepared, x = tq.prepare(model), random_input(4, 3, 8, 8)
        prepared(x)
        converted = tq.convert(prepared)
        expected = [converted(x)]
    assert is_quantized(converted)
    assert not is_quantized(model)
    result = _core.convert(tinyml.trace(converted, (x,)), quantize_input_output_type="uint8")
    for error in run_all(result, [x], expected, ALL_KERNELS):
        assert error.max_abs <= 1.01 * converted.fc.scale, error
    path = tmp_path / "model.tflite"
    assert result.operators["CONV_2D"] == 1
    assert result.operators["FULLY_CONNECTED"] == 1
    report = TFLiteConverter(converted, x, path, verify=True).convert()
    assert report.errors[0].snr_db >= 28


class Functional(nn.Module):
    """What FX graph mode quantizes by functions."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.weight = nn.Parameter(torch.randn(5, 32) * 0.2)

    def forward(self, x):
        x = F.relu(self.conv(x))
        y = F.max_pool2d(x + x * 0.5, 3)
        y = torch.cat([y, F.hardswish(y)], 1).flatten(1)[:, :32]
        return F.linear(y, self.weight)


def test_fx_graph_mode():
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    torch.manual_seed(0)
    model, x = Functional().eval(), random_input(2, 3, 8, 8)
    prepared = prepare_fx(model, tq.get_default_qconfig_mapping("x86"), (x,))
    prepared(x)
    converted = convert_fx(prepared)
    expected = [converted(x)]
    result = _core.convert(tinyml.trace(converted, (x,)))
    assert result.operators["FULLY_CONNECTED"] == 1
    step = float(converted.linear_scale_0) if hasattr(converted, "linear_scale_0") else 0.05
    for error in run_all(result, [x], expected, ALL_KERNELS):
        assert error.max_abs <= 2.02 * step, error
        assert error.snr_db >= 30, error


class References(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.up = nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(self.up(F.relu(self.conv(x))).mean((2, 3)))


@pytest.mark.parametrize("per_channel", [False, True])
def test_reference_modules(per_channel):
    """What convert_to_reference_fx makes: layers that round their weights, between dequantize and
    quantize."""
    from torch.ao.quantization.quantize_fx import convert_to_reference_fx, prepare_fx

    torch.manual_seed(0)
    model, x = References().eval(), random_input(2, 3, 8, 8)
    mapping = tq.get_default_qconfig_mapping("qnnpack")
    if per_channel:
        observer = tq.default_per_channel_weight_observer
        mapping = tq.QConfigMapping().set_global(
            tq.QConfig(activation=tq.default_observer, weight=observer)
        )
        mapping.set_object_type(nn.ConvTranspose2d, tq.get_default_qconfig("qnnpack"))
    prepared = prepare_fx(model, mapping, (x,))
    prepared(x)
    converted = convert_to_reference_fx(prepared)
    expected = [converted(x).detach()]
    result = _core.convert(tinyml.trace(converted, (x,)))
    assert result.operators["DEQUANTIZE"] == 1
    step = float(converted.fc_scale_0)
    for error in run_all(result, [x], expected, ALL_KERNELS):
        assert error.max_abs <= 1.01 * step, error


class Tagger(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.rnn = kind(16, 24, batch_first=True)
        self.fc = nn.Linear(24, 64)

    def forward(self, x):
        return self.fc(self.rnn(x)[0])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_dynamic_layers(kind, tmp_path):
    torch.manual_seed(0)
    model, x = Tagger(kind).eval(), random_input(1, 6, 16)
    dynamic = tq.quantize_dynamic(model, {nn.Linear, nn.LSTM, nn.GRU}, torch.qint8)
    assert isinstance(dynamic.fc, nnqd.Linear)
    assert has_dynamic_layers(dynamic)
    path, plain = tmp_path / "dynamic.tflite", tmp_path / "plain.tflite"
    report = TFLiteConverter(dynamic, x, path, verify=True, tolerance=25).convert()
    full = TFLiteConverter(dynamic, x, plain, precision="float32", verify=True, tolerance=25)
    assert report.size < full.convert().size - 2 * 24 * 64


def test_what_is_unknown_is_named():
    model = Function(lambda x: torch.cumsum(x, 1))
    with pytest.raises(Error, match="'cumsum' of a quantized tensor is not known"):
        tinyml.trace(model, (random_input(1, 4),))
    bare = copy.deepcopy(CASES["conv2d"][1]["m"])
    with pytest.raises(Error, match="put a QuantStub"):
        tinyml.trace(bare, (random_input(1, 4, 6, 6),))


def test_the_twin_has_the_integers():
    """Weights at every integer, -128 among them, and a scale for each channel."""
    layer = CASES["conv2d"][1]["m"]
    twin = from_quantized(layer)
    integers = layer.weight().int_repr()
    assert integers.min() == -128
    found = twin.layer.quantized_weight() / twin.layer.weight_fq.scale.reshape(-1, 1, 1, 1)
    torch.testing.assert_close(found, integers.float(), rtol=0, atol=1e-3)
