"""FakeQuants around single operators become integers: within one step of the simulation."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import tinyml
from conversion import check_conversion, check_steps, convert_module, random_input, run_all
from tinyml import _core


def quantize(x, scale=0.05, zero_point=-3, low=-128, high=127):
    return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, low, high)


def quantize_weight(weight, axis=0, low=-127, high=127):
    """Per channel, with the scales that the weights need."""
    dims = [dim for dim in range(weight.dim()) if dim != axis]
    scale = (weight.detach().abs().amax(dims) / 127).clamp(min=1e-6)
    zero = torch.zeros(scale.shape[0], dtype=torch.int32)
    return scale, zero


class Layer(nn.Module):
    """A layer with weight, input and output FakeQuants."""

    def __init__(self, layer, function, axis=0, out_scale=0.05):
        super().__init__()
        self.layer, self.function, self.axis, self.out_scale = layer, function, axis, out_scale
        scale, zero = quantize_weight(layer.weight, axis)
        self.register_buffer("scale", scale)
        self.register_buffer("zero", zero)

    def forward(self, x):
        weight = torch.fake_quantize_per_channel_affine(
            self.layer.weight, self.scale, self.zero, self.axis, -127, 127
        )
        return quantize(self.function(quantize(x), weight, self.layer.bias), self.out_scale, 5)


LAYERS = {
    "conv2d": (nn.Conv2d(3, 8, 3), lambda x, w, b: F.conv2d(x, w, b, 2, 1), 0, (1, 3, 9, 9)),
    "no_bias": (
        nn.Conv2d(3, 8, 3, bias=False),
        lambda x, w, b: F.conv2d(x, w, b, 1, 1),
        0,
        (1, 3, 9, 9),
    ),
    "relu": (nn.Conv2d(3, 8, 3), lambda x, w, b: F.relu(F.conv2d(x, w, b)), 0, (1, 3, 9, 9)),
    "depthwise": (
        nn.Conv2d(8, 8, 3, groups=8),
        lambda x, w, b: F.conv2d(x, w, b, 1, 1, groups=8),
        0,
        (1, 8, 9, 9),
    ),
    "multiplier": (
        nn.Conv2d(4, 8, 3, groups=4),
        lambda x, w, b: F.conv2d(x, w, b, groups=4),
        0,
        (1, 4, 9, 9),
    ),
    "grouped": (
        nn.Conv2d(8, 8, 3, groups=2),
        lambda x, w, b: F.conv2d(x, w, b, groups=2),
        0,
        (1, 8, 9, 9),
    ),
    "conv1d": (nn.Conv1d(4, 8, 3), lambda x, w, b: F.conv1d(x, w, b, padding=1), 0, (1, 4, 9)),
    "linear": (nn.Linear(16, 8), F.linear, 0, (3, 16)),
    "linear_3d": (nn.Linear(16, 8), F.linear, 0, (2, 3, 16)),
    "transposed": (
        nn.ConvTranspose2d(4, 8, 2, 2),
        lambda x, w, b: F.conv_transpose2d(x, w, b, 2),
        1,
        (1, 4, 5, 5),
    ),
    "transposed_padded": (
        nn.ConvTranspose2d(4, 8, 3, 2),
        lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1),
        1,
        (1, 4, 5, 5),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    layer, function, axis, shape = LAYERS[name]
    model, x = Layer(layer, function, axis), random_input(*shape)
    result = convert_module(model, x)
    with torch.no_grad():
        expected = [model(x)]
    for error in run_all(result, [x], expected):
        assert error.max_abs <= 0.05 * 1.01, error  # one step
    assert not {"RELU", "MUL", "ADD"} & set(result.operators)


OPERATORS = {
    "add": lambda x: quantize(quantize(x) + quantize(x * 2, 0.1, 4), 0.15, 7),
    "mul": lambda x: quantize(quantize(x) * quantize(x + 1, 0.04, -20), 0.1, -70),
    "cat": lambda x: quantize(torch.cat([quantize(x), quantize(x * 2, 0.1, 4)], 1), 0.1, 4),
    "cat_other_scale": lambda x: quantize(
        torch.cat([quantize(x), quantize(x * 2, 0.1, 4)], 1), 0.08, 2
    ),
    "max_pool": lambda x: quantize(F.max_pool2d(quantize(x), 3, 2, 1)),
    "avg_pool": lambda x: quantize(F.avg_pool2d(quantize(x), 2)),
    "avg_pool_whole": lambda x: quantize(F.avg_pool2d(quantize(x), 6)),
    "mean": lambda x: quantize(quantize(x).mean((2, 3)), 0.005, 0),
    "nearest": lambda x: quantize(F.interpolate(quantize(x), scale_factor=2)),
    "bilinear": lambda x: quantize(F.interpolate(quantize(x), scale_factor=2, mode="bilinear")),
    "relu": lambda x: quantize(F.relu(quantize(x)), 0.025, -128),
    "relu6": lambda x: quantize(F.relu6(quantize(x * 5, 0.1)), 6 / 255, -128),
    "hardswish": lambda x: quantize(F.hardswish(quantize(x)), 0.03, -100),
    "leaky_relu": lambda x: quantize(F.leaky_relu(quantize(x), 0.1), 0.03, -90),
    "sigmoid": lambda x: quantize(torch.sigmoid(quantize(x)), 1 / 256, -128),
    "tanh": lambda x: quantize(torch.tanh(quantize(x)), 1 / 128, 0),
    "softmax": lambda x: quantize(torch.softmax(quantize(x), 1), 1 / 256, -128),
    "reshape": lambda x: quantize(x).flatten(1),
    "pad": lambda x: F.pad(quantize(x), (1, 1, 2, 0)),
    "slice": lambda x: quantize(x)[:, 1:3, ::2],
    "split": lambda x: tuple(quantize(x).chunk(2, 1)),
    "unsigned": lambda x: quantize(x, 0.05, 125, 0, 255),
    "seven_bits": lambda x: quantize(F.relu(x), 0.02, 0, 0, 127),
    "seven_bits_signed": lambda x: quantize(x, 0.02, 3, -64, 63),
    "sixteen_bits": lambda x: quantize(x, 0.0001, 0, -32768, 32767),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name):
    x = random_input(1, 4, 6, 6)
    function = OPERATORS[name]
    result = convert_module(function, x)
    outputs = function(x)
    expected = list(outputs) if isinstance(outputs, tuple) else [outputs]
    for error in run_all(result, [x], expected):
        assert error.max_abs <= 0.15 * 1.01, error
        assert error.snr_db >= 30, error


def test_a_batch_norm_alone_is_one_integer_operator():
    """A dense block's norm reads a concatenation; zeros and negatives among its factors."""
    norm = nn.BatchNorm2d(6).eval()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.5, -0.7, 0.0, 1e-3, 2.0, 0.3]))
        norm.bias.uniform_(-0.5, 0.5)
        norm.running_mean.uniform_(-0.5, 0.5)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = norm

        def forward(self, x):
            joined = quantize(torch.cat([quantize(x[:, :2]), quantize(x[:, 2:])], 1))
            y = quantize(F.relu(self.norm(joined)), 0.04, -128)
            return y, F.conv2d(y, torch.full((2, 6, 1, 1), 0.1))

    x = random_input(1, 6, 5, 7)
    result = convert_module(Model(), x)
    assert result.operators["DEPTHWISE_CONV_2D"] == 1
    assert result.operators["DEQUANTIZE"] == 1
    with torch.no_grad():
        expected = Model()(x)
    check_steps(result, [x], expected, 0.04)


def test_seven_bits_saturate():
    x = torch.linspace(-10, 10, 50)[None]
    for function in (OPERATORS["seven_bits"], OPERATORS["seven_bits_signed"]):
        check_conversion(function, x, tolerance=1e-6)


def test_per_tensor_weights():
    class PerTensor(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)

        def forward(self, x):
            weight = quantize(self.conv.weight, 0.004, 0, -127, 127)
            return quantize(F.conv2d(quantize(x), weight, self.conv.bias), 0.05, 0)

    model, x = PerTensor(), random_input(1, 3, 8, 8)
    with torch.no_grad():
        for error in run_all(convert_module(model, x), [x], [model(x)]):
            assert error.max_abs <= 0.05 * 1.01, error


def test_what_has_no_fake_quant_stays_float():
    """Mixed precision: the file follows the FakeQuants that are there."""

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = Layer(nn.Conv2d(3, 8, 3), lambda x, w, b: F.conv2d(x, w, b), 0)
            self.second = nn.Conv2d(8, 4, 3)

        def forward(self, x):
            return self.second(self.first(x))

    model, x = Mixed(), random_input(1, 3, 9, 9)
    result = convert_module(model, x)
    assert result.operators == {"QUANTIZE": 1, "CONV_2D": 2, "DEQUANTIZE": 1}
    with torch.no_grad():
        for error in run_all(result, [x], [model(x)]):
            assert error.snr_db >= 30, error


def test_fake_quants_that_are_switched_off_are_nothing():
    class Observed(nn.Module):
        def __init__(self):
            super().__init__()
            for name, value in {"low": -3.0, "high": 2.5, "scale": 0.1}.items():
                self.register_buffer(name, torch.tensor([value]))
            self.register_buffer("zero", torch.tensor([4], dtype=torch.int32))
            self.register_buffer("on", torch.tensor([1]))
            self.register_buffer("off", torch.tensor([0]))

        def forward(self, x):
            seen = torch.fused_moving_avg_obs_fake_quant(
                x, self.off, self.on, self.low, self.high, self.scale, self.zero, 0.01, -128, 127, 0
            )
            return torch.fused_moving_avg_obs_fake_quant(
                seen * 2, self.off, self.off, self.low, self.high, self.scale, self.zero, 0.01,
                -128, 127, 0,
            )  # fmt: skip

    model, x = Observed(), random_input(2, 8)
    result = _core.convert(tinyml.trace(model.eval(), (x,)))
    with torch.no_grad():
        for error in run_all(result, [x], [model(x)]):
            assert error.snr_db >= 100, error
    assert result.operators["QUANTIZE"] == 1
