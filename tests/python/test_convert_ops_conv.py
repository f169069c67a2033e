"""Convolutions and matrix products, with every argument varied."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conversion import check_conversion, random_input


def _weights(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    return model


CONVOLUTIONS = {
    "plain": (nn.Conv2d(3, 8, 3), (1, 3, 9, 10)),
    "padded": (nn.Conv2d(3, 8, 3, padding=1), (2, 3, 8, 8)),
    "no_bias": (nn.Conv2d(3, 8, 3, padding=1, bias=False), (1, 3, 8, 8)),
    "stride": (nn.Conv2d(3, 8, 3, stride=2, padding=1), (1, 3, 8, 9)),
    "uneven": (nn.Conv2d(3, 8, (3, 5), stride=(2, 1), padding=(0, 2)), (1, 3, 9, 8)),
    "dilated": (nn.Conv2d(3, 8, 3, padding=2, dilation=2), (1, 3, 10, 10)),
    "same": (nn.Conv2d(3, 8, 4, padding="same"), (1, 3, 9, 9)),
    "same_dilated": (nn.Conv2d(3, 8, (2, 3), padding="same", dilation=(3, 2)), (1, 3, 9, 9)),
    "valid": (nn.Conv2d(3, 8, 3, padding="valid"), (1, 3, 9, 9)),
    "pointwise_stride": (nn.Conv2d(4, 8, 1, stride=2), (1, 4, 7, 7)),
    "depthwise": (nn.Conv2d(6, 6, 3, padding=1, groups=6), (1, 6, 8, 8)),
    "depthwise_stride": (nn.Conv2d(6, 6, 5, stride=2, padding=2, groups=6), (1, 6, 9, 9)),
    "depthwise_multiplier": (nn.Conv2d(4, 12, 3, padding=1, groups=4), (1, 4, 8, 8)),
    "depthwise_dilated": (nn.Conv2d(4, 4, 3, dilation=2, groups=4), (1, 4, 9, 9)),
    "depthwise_one_channel": (nn.Conv2d(1, 5, 3, padding=1), (1, 1, 8, 8)),
    "grouped": (nn.Conv2d(8, 12, 3, padding=1, groups=4), (1, 8, 6, 6)),
    "circular": (nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"), (1, 3, 6, 6)),
    "reflect": (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (1, 3, 6, 6)),
    "replicate": (nn.Conv2d(3, 4, 3, padding=2, padding_mode="replicate"), (1, 3, 6, 6)),
    "unbatched": (nn.Conv2d(3, 4, 3, padding=1), (3, 6, 6)),
    "1d": (nn.Conv1d(4, 6, 3, padding=1), (1, 4, 10)),
    "1d_stride_dilated": (nn.Conv1d(4, 6, 3, stride=2, dilation=2), (2, 4, 12)),
    "1d_grouped": (nn.Conv1d(4, 8, 3, padding="same", groups=2), (1, 4, 10)),
    "1d_depthwise": (nn.Conv1d(4, 4, 5, padding=2, groups=4), (1, 4, 10)),
    "3d": (nn.Conv3d(2, 3, 3, padding=1), (1, 2, 5, 6, 6)),
    "3d_stride": (nn.Conv3d(2, 3, (1, 3, 3), stride=(1, 2, 2), bias=False), (1, 2, 4, 7, 7)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name):
    model, shape = CONVOLUTIONS[name]
    check_conversion(_weights(model), random_input(*shape))


TRANSPOSED = {
    "k2s2": (nn.ConvTranspose2d(4, 6, 2, stride=2), (1, 4, 5, 6)),
    "k3s2p1op1": (nn.ConvTranspose2d(4, 6, 3, 2, padding=1, output_padding=1), (1, 4, 5, 5)),
    "k4s2p1": (nn.ConvTranspose2d(4, 6, 4, 2, padding=1), (1, 4, 5, 5)),
    "k3s1p1": (nn.ConvTranspose2d(4, 6, 3, padding=1), (1, 4, 5, 5)),
    "k3s3": (nn.ConvTranspose2d(4, 6, 3, stride=3, bias=False), (2, 4, 4, 4)),
    "output_padding_beyond": (nn.ConvTranspose2d(4, 6, 2, 3, output_padding=2), (1, 4, 4, 4)),
    "dilated": (nn.ConvTranspose2d(4, 6, 3, 2, padding=2, dilation=2), (1, 4, 5, 5)),
    "grouped": (nn.ConvTranspose2d(4, 6, 3, 2, padding=1, groups=2), (1, 4, 5, 5)),
    "depthwise": (nn.ConvTranspose2d(4, 4, 4, 2, padding=1, groups=4), (1, 4, 5, 5)),
    "uneven": (nn.ConvTranspose2d(4, 3, (2, 4), (1, 2), padding=(0, 1)), (1, 4, 5, 5)),
    "1d": (nn.ConvTranspose1d(4, 6, 4, 2, padding=1), (1, 4, 7)),
}


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_convolution(name):
    model, shape = TRANSPOSED[name]
    check_conversion(_weights(model), random_input(*shape))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(2, 5), (5,), (2, 3, 5), (1, 2, 3, 5)])
def test_linear(shape, bias):
    check_conversion(_weights(nn.Linear(5, 7, bias=bias)), random_input(*shape))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4), (4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 3, 4), (4, 5)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((4,), (4,)),
        ((2, 1, 3, 4), (1, 3, 4, 5)),
    ],
)
def test_matmul(a, b):
    check_conversion(torch.matmul, random_input(*a), random_input(*b, seed=1))


def test_matmul_by_a_constant():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix = nn.Parameter(random_input(4, 5, seed=2))

        def forward(self, x):
            return x @ self.matrix

    result = check_conversion(Constant(), random_input(2, 3, 4))
    assert result.operators == {"FULLY_CONNECTED": 1}


def test_addmm_and_baddbmm():
    a, b, c = random_input(3, 4), random_input(4, 5, seed=1), random_input(3, 5, seed=2)
    check_conversion(lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=2), c, a, b)
    a, b, c = random_input(2, 3, 4), random_input(2, 4, 5, seed=1), random_input(2, 3, 5, seed=2)
    check_conversion(lambda c, a, b: torch.baddbmm(c, a, b, beta=0.5, alpha=2), c, a, b)


def test_convolution_with_a_computed_weight():
    x, w = random_input(1, 3, 8, 8), random_input(4, 3, 3, 3, seed=1)
    check_conversion(lambda x, w: F.conv2d(x, w * 2, padding=1), x, w)
