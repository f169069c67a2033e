"""The same FakeQuants as int8, uint8 and int16, and the ranges that are narrower than 8 bits."""

import pytest
import torch
import torch.nn.functional as F
from ai_edge_litert.interpreter import Interpreter
from torch import nn

import tinyml
from conversion import convert_module, random_input, run_all
from tinyml import Error, TFLiteConverter, _core

ALL_KERNELS = ("xnnpack", "builtin", "reference")


def quantize(x, scale=0.05, zero_point=-3, low=-128, high=127):
    return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, low, high)


class Net(nn.Module):
    """Layers, a gate, pooling, a concatenation and an island, with per-tensor weights."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        def weight(layer):
            return quantize(layer.weight, 0.004, 0, -127, 127)

        x = quantize(x, 0.03, 2)
        x = quantize(F.relu(F.conv2d(x, weight(self.conv), self.conv.bias, 1, 1)), 0.01, -128)
        y = F.conv2d(x, weight(self.depthwise), self.depthwise.bias, 1, 1, groups=8)
        y = quantize(y, 0.01, 0)
        gate = quantize(torch.sigmoid(y), 1 / 256, -128)
        y = quantize(y * gate, 0.005, -10)
        y = quantize(F.hardswish(y), 0.005, -20)
        z = quantize(torch.cat([F.max_pool2d(y, 2), F.max_pool2d(x, 2)], 1), 0.01, -100)
        z = quantize(F.avg_pool2d(z, 2), 0.01, -100)
        z = quantize(z.mean((2, 3)), 0.005, -100)
        return quantize(F.linear(z, weight(self.fc), self.fc.bias), 0.01, 3)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16"])
def test_network(kind, tmp_path):
    torch.manual_seed(0)
    model, x = Net().eval(), random_input(1, 3, 8, 8)
    result = _core.convert(
        tinyml.trace(model, (x,)), quantize_target_type=kind, quantize_input_output_type=kind
    )
    with torch.no_grad():
        for error in run_all(result, [x], [model(x)], ALL_KERNELS):
            assert error.max_abs <= 0.0202, error
    interpreter = Interpreter(model_content=result.to_bytes())
    types = {str(d["dtype"].__name__) for d in interpreter.get_tensor_details()}
    other = {"int8": "uint8", "uint8": "int8", "int16": "uint8"}[kind]
    assert kind in types
    assert other not in types
    report = TFLiteConverter(
        model, x, tmp_path / "model.tflite", quantize_target_type=kind, verify=True
    ).convert()
    assert report.operators["FULLY_CONNECTED"] == 1


def test_uint8_weights_have_one_scale():
    class PerChannel(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 4)
            self.register_buffer("scale", torch.linspace(0.01, 0.02, 4))
            self.register_buffer("zero", torch.zeros(4, dtype=torch.int32))

        def forward(self, x):
            weight = torch.fake_quantize_per_channel_affine(
                self.linear.weight, self.scale, self.zero, 0, -127, 127
            )
            return quantize(F.linear(quantize(x), weight))

    with pytest.raises(Error, match="per_tensor: True"):
        convert_module(PerChannel(), random_input(2, 8), quantize_target_type="uint8")


class Narrow(nn.Module):
    """Weights and activations of few bits."""

    def __init__(self, weight_range, activation_range, per_channel):
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3)
        self.weight_range, self.activation_range = weight_range, activation_range
        rows = self.conv.weight.detach().abs().reshape(8, -1).amax(1)
        scale = rows / weight_range[1] if per_channel else rows.max()[None] / weight_range[1]
        self.per_channel = per_channel
        self.register_buffer("scale", scale)
        self.register_buffer("zero", torch.zeros(scale.numel(), dtype=torch.int32))

    def forward(self, x):
        low, high = self.weight_range
        weight = (
            torch.fake_quantize_per_channel_affine(
                self.conv.weight, self.scale, self.zero, 0, low, high
            )
            if self.per_channel
            else torch.fake_quantize_per_tensor_affine(
                self.conv.weight, self.scale, self.zero, low, high
            )
        )
        y = F.relu(F.conv2d(quantize(x), weight, self.conv.bias))
        low, high = self.activation_range
        return quantize(y, 1.5 / (high - low), low, low, high)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(
    ("weights", "activations"),
    [
        ((-8, 7), (-128, 127)),
        ((-7, 7), (0, 255)),
        ((-128, 127), (0, 127)),
        ((-64, 63), (0, 127)),
        ((-128, 127), (-128, 127)),
        ((-31, 31), (-32, 31)),
    ],
)
def test_narrow_ranges(weights, activations, per_channel):
    torch.manual_seed(0)
    model, x = Narrow(weights, activations, per_channel), random_input(1, 4, 8, 8)
    result = convert_module(model, x)
    step = 1.5 / (activations[1] - activations[0])
    with torch.no_grad():
        expected = model(x)
    for error in run_all(result, [x], [expected], ALL_KERNELS):
        assert error.max_abs <= 1.01 * step, error
    # The convolution runs in integers; only a range that ends below 127 needs a clamp.
    clamp = {"MINIMUM": 1} if activations == (-32, 31) else {}
    count = 1 + len(clamp)
    assert result.operators == {"QUANTIZE": count, "CONV_2D": 1, "DEQUANTIZE": count} | clamp
