"""Convolutions over one to three dimensions: groups, dilation with stride, computed weights."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conversion import check_conversion, random_input

PLAIN = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
FUNCTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED_FUNCTIONS = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
SIZES = (6, 7, 5)


def _first(dims: int, *numbers: int):
    """As many of the numbers as there are dimensions."""
    return numbers[:dims]


def _weights(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    return model


CONVOLUTIONS = {
    "dilated_stride_uneven": lambda d: {
        "kernel_size": _first(d, 3, 2, 2),
        "stride": _first(d, 2, 1, 2),
        "dilation": _first(d, 1, 2, 2),
        "padding": _first(d, 1, 0, 1),
    },
    "dilated_stride": lambda d: {"kernel_size": 2, "stride": 2, "dilation": 2, "padding": 1},
    "grouped": lambda d: {"kernel_size": 3, "groups": 2, "padding": 1},
    "grouped_dilated": lambda d: {
        "kernel_size": 2,
        "groups": 2,
        "padding": 1,
        "stride": 2,
        "dilation": 2,
        "bias": False,
    },
    "depthwise": lambda d: {
        "kernel_size": 3,
        "groups": 4,
        "padding": 1,
        "stride": _first(d, 2, 1, 1),
    },
    "same": lambda d: {"kernel_size": 4, "padding": "same"},
    "same_dilated": lambda d: {"kernel_size": 2, "padding": "same", "dilation": 3},
    "circular": lambda d: {"kernel_size": 3, "padding": 1, "padding_mode": "circular"},
    "reflect": lambda d: {"kernel_size": 3, "padding": 2, "padding_mode": "reflect"},
    "replicate": lambda d: {"kernel_size": 3, "padding": 2, "padding_mode": "replicate"},
    "padding_beyond_the_kernel": lambda d: {"kernel_size": 3, "padding": 4},
}


@pytest.mark.parametrize("dims", PLAIN)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name, dims):
    model = PLAIN[dims](4, 8, **CONVOLUTIONS[name](dims))
    check_conversion(_weights(model), random_input(2, 4, *SIZES[:dims]))


@pytest.mark.parametrize("target", ["litert", "litert-builtin"])
@pytest.mark.parametrize(
    ("options", "faster"),
    [
        ({"kernel_size": 3, "padding": 1}, True),
        ({"kernel_size": 2, "stride": 2}, True),
        ({"kernel_size": 3, "stride": (3, 1, 2), "dilation": (2, 1, 1)}, True),
        ({"kernel_size": 3, "stride": 2, "padding": 1}, False),
    ],
)
def test_stacked_planes_where_xnnpack_is_faster(options, faster, target):
    model = _weights(nn.Conv3d(4, 8, **options))
    result = check_conversion(model, random_input(2, 4, 7, 8, 6), target=target)
    assert ("CONV_3D" in result.operators) != (faster and target == "litert")
    assert "STRIDED_SLICE" not in result.operators


TRANSPOSED_CONVOLUTIONS = {
    "plain": lambda d: {"kernel_size": 3},
    "uneven": lambda d: {
        "kernel_size": _first(d, 3, 2, 3),
        "stride": _first(d, 2, 3, 1),
        "padding": _first(d, 1, 0, 1),
        "output_padding": _first(d, 1, 2, 0),
    },
    "grouped": lambda d: {
        "kernel_size": 3,
        "stride": 2,
        "padding": 1,
        "output_padding": 1,
        "groups": 2,
        "bias": False,
    },
    "depthwise": lambda d: {"kernel_size": 4, "stride": 2, "padding": 1, "groups": 4},
    "dilated": lambda d: {
        "kernel_size": 2,
        "stride": 2,
        "dilation": 3,
        "padding": 1,
        "output_padding": 2,
    },
    "padding": lambda d: {"kernel_size": 3, "stride": 2, "padding": 2},
}


@pytest.mark.parametrize("dims", TRANSPOSED)
@pytest.mark.parametrize("name", TRANSPOSED_CONVOLUTIONS)
def test_transposed_convolution(name, dims):
    model = TRANSPOSED[dims](4, 8, **TRANSPOSED_CONVOLUTIONS[name](dims))
    result = check_conversion(_weights(model), random_input(2, 4, *SIZES[:dims]))
    if model.groups == 1:  # over two dimensions, which is faster
        assert "CONV_3D_TRANSPOSE" not in result.operators


@pytest.mark.parametrize("dims", PLAIN)
@pytest.mark.parametrize("kind", [PLAIN, TRANSPOSED])
def test_without_a_batch(kind, dims):
    check_conversion(_weights(kind[dims](4, 3, 3, stride=2)), random_input(4, *SIZES[:dims]))


@pytest.mark.parametrize("dims", FUNCTIONS)
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((5, 4), {"padding": 1}),
        ((5, 4), {"stride": 2}),
        ((6, 2), {"padding": 1, "groups": 2}),
        ((8, 1), {"padding": 1, "groups": 4, "dilation": 2}),
    ],
)
def test_computed_weights(shape, options, dims):
    weight = random_input(*shape, *(3, 2, 2)[:dims], seed=1)
    bias = random_input(shape[0], seed=2)

    def convolve(x, weight, bias):
        return FUNCTIONS[dims](x, weight * 2, bias * 2, **options)

    check_conversion(convolve, random_input(2, 4, *SIZES[:dims]), weight, bias)


@pytest.mark.parametrize("dims", FUNCTIONS)
@pytest.mark.parametrize(
    ("outputs", "options"),
    [
        (5, {"stride": 2, "padding": 1}),
        (5, {"stride": 2, "output_padding": 1}),
        (3, {"stride": 2, "padding": 1, "groups": 2}),
        (3, {"stride": 2, "padding": 1, "dilation": 2}),
    ],
)
def test_computed_weights_transposed(outputs, options, dims):
    weight = random_input(4, outputs, *(3, 2, 2)[:dims], seed=1)

    def convolve(x, weight):
        return TRANSPOSED_FUNCTIONS[dims](x, weight * 2, **options)

    check_conversion(convolve, random_input(2, 4, *SIZES[:dims]), weight)


class Modulated(nn.Module):
    """StyleGAN's modulated convolution: each sample has weights of its own."""

    def __init__(self, up: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(random_input(5, 4, 3, 3))
        self.style = nn.Linear(6, 4)
        self.up = up

    def forward(self, x, style):
        batch, channels, height, width = x.shape
        weight = self.weight[None] * self.style(style)[:, None, :, None, None]
        weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4], keepdim=True) + 1e-8)
        x = x.reshape(1, batch * channels, height, width)
        if self.up:
            weight = weight.transpose(1, 2).reshape(batch * channels, 5, 3, 3)
            y = F.conv_transpose2d(x, weight, stride=2, groups=batch)
        else:
            y = F.conv2d(x, weight.reshape(batch * 5, channels, 3, 3), padding=1, groups=batch)
        return y.reshape(batch, 5, *y.shape[2:])


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("batch", [1, 2])
def test_modulated_convolution(batch, up):
    check_conversion(Modulated(up), random_input(batch, 4, 6, 6), random_input(batch, 6, seed=1))


class Overload(nn.Module):
    def __init__(self, transposed: bool, name: str) -> None:
        super().__init__()
        shape = (4, 5, 3, 3) if transposed else (5, 4, 3, 3)
        self.weight = nn.Parameter(random_input(*shape, seed=1))
        self.arguments = ([2, 1], [1, 1], [1, 1], transposed, [0, 0], 1)
        self.name = name

    def forward(self, x):
        flags = {"convolution.default": 0, "_convolution.deprecated": 3, "_convolution.default": 4}
        name, overload = self.name.split(".")
        op = getattr(getattr(torch.ops.aten, name), overload)
        return op(x, self.weight, None, *self.arguments, *[False] * flags[self.name])


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    "name", ["convolution.default", "_convolution.default", "_convolution.deprecated"]
)
def test_general_overloads(name, transposed):
    check_conversion(Overload(transposed, name), random_input(1, 4, 6, 6))


def test_time_batch_channels():
    def convolve(x, weight, bias):
        return torch.conv_tbc(x, weight, bias, 1)

    check_conversion(convolve, random_input(7, 2, 4), random_input(3, 4, 5), random_input(5))
