"""Export-based quantization: quantize and dequantize operators become FakeQuants."""

import pytest
import torch
import torch.ao.quantization.fx._decomposed
import torch.nn.functional as F
from torch import nn

import tinyml
from conversion import convert_module, random_input, run_all
from tinyml import Error, _core
from tinyml.codegen import generate_code

Q = torch.ops.quantized_decomposed
INT8 = (-128, 127, torch.int8)
ALL_KERNELS = ("xnnpack", "builtin", "reference")


def pair(x, scale=0.05, zero_point=-3):
    q = Q.quantize_per_tensor.default(x, scale, zero_point, *INT8)
    return Q.dequantize_per_tensor.default(q, scale, zero_point, *INT8)


class Stored(nn.Module):
    """A convolution with stored int8 weights, one scale a channel, and an int32 bias."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        weight = torch.randint(-127, 128, (8, 3, 3, 3), dtype=torch.int8, generator=generator)
        self.register_buffer("weight", weight)
        self.register_buffer("scales", torch.linspace(0.001, 0.004, 8, dtype=torch.float64))
        self.register_buffer("zeros", torch.zeros(8, dtype=torch.int64))
        bias = torch.randint(-900, 900, (8,), dtype=torch.int32, generator=generator)
        self.register_buffer("bias", bias)

    def forward(self, x):
        weight = Q.dequantize_per_channel.default(
            self.weight, self.scales, self.zeros, 0, -127, 127, torch.int8
        )
        bias = Q.dequantize_per_tensor.default(self.bias, 1e-4, 0, -(2**31), 2**31 - 1, torch.int32)
        return pair(torch.relu(F.conv2d(pair(x), weight, bias)), 0.04, -128)


class Between(nn.Module):
    """Data movement on the integers themselves."""

    def forward(self, x):
        q = Q.quantize_per_tensor.default(x, 0.05, -3, *INT8)
        a, b = q.permute(0, 2, 3, 1).reshape(2, -1).chunk(2, 1)
        return [Q.dequantize_per_tensor.default(part, 0.05, -3, *INT8) for part in (b, a)]


class FromFloat(nn.Module):
    """Weights that the graph itself quantizes, per channel; scales as tensors."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(16, 8)
        scale = self.linear.weight.detach().abs().amax(1) / 127
        self.register_buffer("scale", scale)
        self.register_buffer("zero", torch.zeros(8, dtype=torch.int64))
        self.register_buffer("x_scale", torch.tensor(0.05, dtype=torch.float64))
        self.register_buffer("x_zero", torch.tensor(-3))

    def forward(self, x):
        x = Q.dequantize_per_tensor.tensor(
            Q.quantize_per_tensor.tensor(x, self.x_scale, self.x_zero, *INT8),
            self.x_scale,
            self.x_zero,
            *INT8,
        )
        channel = (self.scale, self.zero, 0, -127, 127, torch.int8)
        weight = Q.dequantize_per_channel.default(
            Q.quantize_per_channel.default(self.linear.weight, *channel), *channel
        )
        return pair(F.linear(x, weight, self.linear.bias), 0.03, 5)


class Residual(nn.Module):
    """One quantize, several dequantizes, as the export-based flow writes it."""

    def forward(self, x):
        q = Q.quantize_per_tensor.default(x, 0.05, -3, *INT8)
        a = Q.dequantize_per_tensor.default(q, 0.05, -3, *INT8)
        b = Q.dequantize_per_tensor.default(q, 0.05, -3, *INT8)
        return pair(a + F.max_pool2d(b, 3, 1, 1), 0.1, 2)


CASES = {
    "stored": (Stored, (1, 3, 8, 8), 0.04, {"QUANTIZE": 1, "CONV_2D": 1, "DEQUANTIZE": 1}),
    "between": (Between, (2, 4, 3, 3), 1e-6, None),
    "from_float": (
        FromFloat,
        (4, 16),
        0.03,
        {"QUANTIZE": 1, "FULLY_CONNECTED": 1, "DEQUANTIZE": 1},
    ),
    "residual": (Residual, (1, 2, 6, 6), 0.1, None),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    build, shape, step, operators = CASES[name]
    torch.manual_seed(0)
    model, x = build(), random_input(*shape)
    graph = tinyml.trace(model, (x,))
    normal = str(graph.normalize())
    assert "quantized_decomposed" not in normal
    assert "fake_quantize" in normal
    with torch.no_grad():
        expected = model(x)
    expected = list(expected) if isinstance(expected, list | tuple) else [expected]
    result = _core.convert(graph)
    for error in run_all(result, [x], expected, ALL_KERNELS):
        assert error.max_abs <= 1.01 * step, error
    assert operators is None or result.operators == operators


def test_other_stages_see_fake_quants(tmp_path):
    model, x = Stored(), random_input(1, 3, 8, 8)
    graph = tinyml.trace(model, (x,)).normalize()
    path = tmp_path / "model.pt2"
    graph.save(path)
    with torch.no_grad():
        again = torch.export.load(path).module()(x)
    torch.testing.assert_close(again, model(x), rtol=0, atol=0.0401)
    generate_code(graph, tmp_path / "code.py", tmp_path / "code.pth")


class Dynamic(nn.Module):
    """A linear layer whose input is quantized by its own range, as the export flow writes it."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        weight = torch.randint(-127, 128, (48, 64), dtype=torch.int8, generator=generator)
        self.register_buffer("weight", weight)
        self.register_buffer("scales", torch.linspace(0.001, 0.004, 48))
        self.register_buffer("zeros", torch.zeros(48, dtype=torch.int64))
        self.float_layer = nn.Linear(48, 48)

    def forward(self, x):
        scale, zero = Q.choose_qparams.tensor(x, -128, 127, 1e-5, torch.int8)
        q = Q.quantize_per_tensor.tensor(x, scale, zero, *INT8)
        x = Q.dequantize_per_tensor.tensor(q, scale, zero, *INT8)
        weight = Q.dequantize_per_channel.default(
            self.weight, self.scales, self.zeros, 0, -127, 127, torch.int8
        )
        return self.float_layer(F.linear(x, weight))


def test_dynamic():
    model, x = Dynamic(), random_input(3, 64)
    result = _core.convert(tinyml.trace(model, (x,)))
    assert result.operators == {"FULLY_CONNECTED": 2}
    with torch.no_grad():
        for error in run_all(result, [x], [model(x)], ALL_KERNELS):
            assert error.snr_db >= 35, error
    # The other layer stays float: 48 * 48 numbers of four bytes, the first of one.
    assert 48 * 48 * 4 + 48 * 64 < len(result.to_bytes()) < 48 * 48 * 4 + 48 * 64 + 3000


REFUSED = {
    "scales_differ": (
        lambda x: Q.dequantize_per_tensor.default(
            Q.quantize_per_tensor.default(x, 0.05, 0, *INT8), 0.1, 0, *INT8
        ),
        "dequantized with another scale",
    ),
    "arithmetic": (
        lambda x: Q.dequantize_per_tensor.default(
            Q.quantize_per_tensor.default(x, 0.05, 0, *INT8) + 1, 0.05, 0, *INT8
        ),
        "computes on integers between",
    ),
    "returned": (
        lambda x: Q.quantize_per_tensor.default(x, 0.05, 0, *INT8),
        "the model returns the integers",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    function, message = REFUSED[name]
    with pytest.raises(Error, match=message) as caught:
        convert_module(function, random_input(2, 8))
    assert "conversion.py" in str(caught.value) or name == "returned"  # where the call stands


@pytest.fixture(scope="module")
def torchao():
    """The operators of torchao, under its schemas, as its exported models name them."""
    library = torch.library.Library("torchao", "FRAGMENT")
    library.define(
        "quantize_affine(Tensor input, SymInt[] block_size, Tensor scale, Tensor? zero_point, "
        "ScalarType output_dtype, Scalar? quant_min=None, Scalar? quant_max=None) -> Tensor"
    )
    library.define(
        "dequantize_affine(Tensor input, SymInt[] block_size, Tensor scale, Tensor? zero_point, "
        "ScalarType input_dtype, Scalar? quant_min=None, Scalar? quant_max=None, "
        "ScalarType output_dtype=float32) -> Tensor"
    )

    def expand(parameter, block, x):
        counts = [size // step for size, step in zip(x.shape, block, strict=True)]
        parameter = parameter.reshape(counts)
        for axis, step in enumerate(block):
            parameter = parameter.repeat_interleave(step, axis)
        return parameter

    def quantize(x, block, scale, zero, dtype, low=None, high=None):
        q = torch.round(x / expand(scale, block, x))
        q = q if zero is None else q + expand(zero, block, x)
        return q.clamp(-128 if low is None else low, 127 if high is None else high).to(dtype)

    def dequantize(x, block, scale, zero, dtype, low=None, high=None, output_dtype=torch.float32):
        q = x.to(output_dtype)
        q = q if zero is None else q - expand(zero, block, x)
        return q * expand(scale, block, x)

    library.impl("quantize_affine", quantize, "CompositeExplicitAutograd")
    library.impl("dequantize_affine", dequantize, "CompositeExplicitAutograd")
    yield torch.ops.torchao
    library._destroy()


class Affine(nn.Module):
    def __init__(self, ops, block):
        super().__init__()
        self.ops, self.block = ops, block
        generator = torch.Generator().manual_seed(0)
        count = 8 if block[0] == 1 else 1
        groups = 32 // block[1]
        weight = torch.randint(-127, 128, (8, 32), dtype=torch.int8, generator=generator)
        self.register_buffer("weight", weight)
        self.register_buffer("scale", torch.linspace(0.001, 0.004, count * groups))
        self.register_buffer("x_scale", torch.tensor([0.05]))
        self.register_buffer("x_zero", torch.tensor([-3]))

    def forward(self, x):
        block = list(x.shape)
        q = self.ops.quantize_affine(x, block, self.x_scale, self.x_zero, torch.int8, -128, 127)
        x = self.ops.dequantize_affine(q, block, self.x_scale, self.x_zero, torch.int8, -128, 127)
        w = self.ops.dequantize_affine(self.weight, self.block, self.scale, None, torch.int8)
        return pair(F.linear(x, w), 0.05, 0)


@pytest.mark.parametrize("block", [(1, 32), (8, 32)])
def test_torchao(torchao, block):
    model, x = Affine(torchao, list(block)), random_input(4, 32)
    result = _core.convert(tinyml.trace(model, (x,)))
    assert result.operators == {"QUANTIZE": 1, "FULLY_CONNECTED": 1, "DEQUANTIZE": 1}
    for error in run_all(result, [x], [model(x)], ALL_KERNELS):
        assert error.max_abs <= 0.0501, error


def test_blocks_inside_a_row_are_refused(torchao):
    with pytest.raises(Error, match=r"blocks of \[1, 16\]"):
        tinyml.trace(Affine(torchao, [1, 16]), (random_input(4, 32),))
