"""16-bit activations with 8-bit weights: operators and networks on every kernel set."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import tinyml
from conversion import convert_module, random_input, run_all
from tinyml import _core

ALL_KERNELS = ("xnnpack", "builtin", "reference")


def wide(x, scale=2e-4):
    return torch.fake_quantize_per_tensor_affine(x, scale, 0, -32768, 32767)


def narrow(x, scale=0.05, zero_point=-3):
    return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, -128, 127)


# Functions of wide tensors; the flag says whether all of it has integer kernels.
OPERATORS = {
    "add": (lambda x: wide(wide(x) + wide(x * 2, 3e-4), 5e-4), True),
    "sub": (lambda x: wide(wide(x) - wide(x * 2, 3e-4), 5e-4), True),
    "mul": (lambda x: wide(wide(x) * wide(x + 1, 3e-4), 8e-4), True),
    "relu_add": (lambda x: wide(F.relu(wide(x) + wide(x * 2, 3e-4)), 5e-4), True),
    "cat": (lambda x: wide(torch.cat([wide(x), wide(x * 2, 3e-4)], 1), 4e-4), True),
    "cat_same": (lambda x: wide(torch.cat([wide(x), wide(x * 2)], 1)), True),
    "max_pool": (lambda x: wide(F.max_pool2d(wide(x), 3, 2, 1)), True),
    "avg_pool": (lambda x: wide(F.avg_pool2d(wide(x), 2)), False),
    "mean": (lambda x: wide(wide(x).mean((2, 3)), 5e-5), True),
    "nearest": (lambda x: wide(F.interpolate(wide(x), scale_factor=2)), True),
    "bilinear": (
        lambda x: wide(F.interpolate(wide(x), scale_factor=2, mode="bilinear")),
        True,
    ),
    "relu": (lambda x: wide(F.relu(wide(x))), False),
    "relu6": (lambda x: wide(F.relu6(wide(x * 5, 1e-3)), 3e-4), False),
    "hardswish": (lambda x: wide(F.hardswish(wide(x))), False),
    "leaky_relu": (lambda x: wide(F.leaky_relu(wide(x), 0.1)), False),
    "sigmoid": (lambda x: wide(torch.sigmoid(wide(x)), 1 / 32768), True),
    "tanh": (lambda x: wide(torch.tanh(wide(x)), 1 / 32768), True),
    "softmax": (lambda x: wide(torch.softmax(wide(x), 1), 1 / 32768), False),
    "gelu": (lambda x: wide(F.gelu(wide(x))), False),
    "reshape": (lambda x: wide(x).flatten(1), True),
    "permute": (lambda x: wide(x).permute(0, 2, 1, 3).contiguous(), True),
    "pad": (lambda x: F.pad(wide(x), (1, 1, 2, 0)), True),
    "slice": (lambda x: wide(x)[:, 1:3, ::2], True),
    "split": (lambda x: tuple(wide(x).chunk(2, 1)), True),
    "stack": (lambda x: wide(torch.stack([wide(x), wide(x * 0.5)], 1)), True),
    "upsampled_channels": (lambda x: wide(F.pixel_shuffle(wide(x), 2)), False),
    "amax": (lambda x: wide(wide(x).amax(2)), True),
    "requantized": (lambda x: wide(wide(x), 4e-4), True),
    "wide_to_narrow": (lambda x: narrow(wide(x)), True),
    "narrow_to_wide": (lambda x: wide(narrow(x)), True),
    "narrow_and_wide": (lambda x: wide(narrow(x) + wide(x), 5e-4), False),
    "abs": (lambda x: wide(torch.abs(wide(x))), False),
}
FLOAT_OPERATORS = {"QUANTIZE": 1, "DEQUANTIZE": 1}


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name):
    function, whole = OPERATORS[name]
    x = random_input(1, 4, 6, 6)
    result = convert_module(function, x)
    outputs = function(x)
    expected = list(outputs) if isinstance(outputs, tuple) else [outputs]
    step = 0.05 if "narrow" in name else 1e-3
    for error in run_all(result, [x], expected, ALL_KERNELS):
        assert error.max_abs <= 1.1 * step, error
        assert error.snr_db >= (30 if name == "wide_to_narrow" else 62), error
    if whole:
        assert result.operators["DEQUANTIZE"] == len(expected), result.operators


class Layer(nn.Module):
    """A layer with int8 weights between 16-bit activations."""

    def __init__(self, layer, function, per_channel, out_scale):
        super().__init__()
        self.layer, self.function, self.out_scale = layer, function, out_scale
        axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        weight = layer.weight.detach()
        dims = [dim for dim in range(weight.dim()) if dim != axis]
        scale = weight.abs().amax(dims) / 127 if per_channel else weight.abs().max() / 127
        self.axis, self.per_channel = axis, per_channel
        self.register_buffer("scale", scale.reshape(-1))
        self.register_buffer("zero", torch.zeros(self.scale.numel(), dtype=torch.int32))

    def forward(self, x):
        weight = (
            torch.fake_quantize_per_channel_affine(
                self.layer.weight, self.scale, self.zero, self.axis, -127, 127
            )
            if self.per_channel
            else torch.fake_quantize_per_tensor_affine(
                self.layer.weight, self.scale, self.zero, -127, 127
            )
        )
        return wide(self.function(wide(x), weight, self.layer.bias), self.out_scale)


LAYERS = {
    "conv": (lambda: nn.Conv2d(3, 8, 3), lambda x, w, b: F.conv2d(x, w, b, 2, 1), (1, 3, 9, 9)),
    "relu": (
        lambda: nn.Conv2d(3, 8, 3, bias=False),
        lambda x, w, b: F.relu(F.conv2d(x, w, b)),
        (1, 3, 9, 9),
    ),
    "depthwise": (
        lambda: nn.Conv2d(8, 8, 3, groups=8),
        lambda x, w, b: F.conv2d(x, w, b, 1, 1, groups=8),
        (1, 8, 9, 9),
    ),
    "grouped": (
        lambda: nn.Conv2d(8, 8, 3, groups=2),
        lambda x, w, b: F.conv2d(x, w, b, groups=2),
        (1, 8, 9, 9),
    ),
    "linear": (lambda: nn.Linear(16, 8), F.linear, (3, 16)),
    "linear_3d": (lambda: nn.Linear(16, 8), F.linear, (2, 3, 16)),
    "transposed": (
        lambda: nn.ConvTranspose2d(4, 8, 2, 2),
        lambda x, w, b: F.conv_transpose2d(x, w, b, 2),
        (1, 4, 5, 5),
    ),
}


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_layer(name, per_channel):
    build, function, shape = LAYERS[name]
    torch.manual_seed(0)
    model, x = Layer(build(), function, per_channel, 2e-4), random_input(*shape)
    result = convert_module(model, x)
    with torch.no_grad():
        expected = [model(x)]
    for error in run_all(result, [x], expected, ALL_KERNELS):
        assert error.max_abs <= 2e-4 * 2.1, error
        assert error.snr_db >= 70, error
    assert result.operators["DEQUANTIZE"] == 1


def test_network(tmp_path):
    """QAT's own 16-bit setting, end to end, is integers only."""
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 2 * 2, 5),
    ).eval()
    x = random_input(4, 3, 8, 8)
    quantizer = tinyml.PostQuantizer(
        net, x, tmp_path, {"bits": {"activation": 16, "weight": 8}, "observer": "min_max"}
    )
    model = quantizer.calibrate([x])
    result = _core.convert(tinyml.trace(model, (x,)), quantize_input_output_type="int16")
    assert "QUANTIZE" not in result.operators
    assert "DEQUANTIZE" not in result.operators
    with torch.no_grad():
        for error in run_all(result, [x], [model(x)], ALL_KERNELS):
            assert error.snr_db >= 55, error
