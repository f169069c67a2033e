"""Pooling over one to three dimensions."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import tinyml
from conversion import check_conversion, convert_module, random_input

MAX = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVERAGE = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
POWER = {1: nn.LPPool1d, 2: nn.LPPool2d, 3: nn.LPPool3d}
ADAPTIVE = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
ADAPTIVE_MAX = {1: nn.AdaptiveMaxPool1d, 2: nn.AdaptiveMaxPool2d, 3: nn.AdaptiveMaxPool3d}
SIZES = (9, 10, 8)

POOLS = {
    "max": lambda d: MAX[d](2),
    "max_padded": lambda d: MAX[d](3, 2, 1),
    "max_ceil": lambda d: MAX[d](3, 2, 1, ceil_mode=True),
    "max_dilated": lambda d: MAX[d](2, 2, 1, dilation=2, ceil_mode=True),
    "max_uneven": lambda d: MAX[d]((3, 2, 1)[:d], (1, 2, 2)[:d], (1, 0, 0)[:d]),
    "average": lambda d: AVERAGE[d](2),
    "average_padded": lambda d: AVERAGE[d](3, 2, 1),
    "average_excluded": lambda d: AVERAGE[d](3, 2, 1, count_include_pad=False),
    "average_ceil": lambda d: AVERAGE[d](3, 2, 1, ceil_mode=True),
    "average_ceil_excluded": lambda d: AVERAGE[d](4, 3, 1, True, False),
    "average_whole": lambda d: AVERAGE[d](SIZES[:d]),
    "power": lambda d: POWER[d](2, 3, 2),
    "power_3_ceil": lambda d: POWER[d](3, 2, ceil_mode=True),
    "adaptive_global": lambda d: ADAPTIVE[d](1),
    "adaptive_uneven": lambda d: ADAPTIVE[d]((4, 3, 5)[:d]),
    "adaptive_equal": lambda d: ADAPTIVE[d]((3, 5, 2)[:d]),
    "adaptive_larger": lambda d: ADAPTIVE[d](11),
    "adaptive_max_global": lambda d: ADAPTIVE_MAX[d](1),
    "adaptive_max_uneven": lambda d: ADAPTIVE_MAX[d]((4, 3, 5)[:d]),
    "adaptive_max_equal": lambda d: ADAPTIVE_MAX[d]((3, 5, 2)[:d]),
}


@pytest.mark.parametrize("dims", MAX)
@pytest.mark.parametrize("name", POOLS)
def test_pooling(name, dims):
    x = random_input(2, 3, *SIZES[:dims])
    check_conversion(POOLS[name](dims), x.abs() if "power" in name else x)


@pytest.mark.parametrize("dims", MAX)
@pytest.mark.parametrize("name", ["max_padded", "average_ceil_excluded", "adaptive_uneven"])
def test_without_a_batch(name, dims):
    check_conversion(POOLS[name](dims), random_input(3, *SIZES[:dims]))


@pytest.mark.parametrize("dims", [2, 3])
def test_divisor(dims):
    check_conversion(AVERAGE[dims](3, 2, 1, divisor_override=5), random_input(1, 3, *SIZES[:dims]))


FUNCTIONS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


@pytest.mark.parametrize("dims", FUNCTIONS)
def test_indices(dims):
    x = random_input(1, 3, *SIZES[:dims])
    check_conversion(lambda x: FUNCTIONS[dims](x, 2, return_indices=True)[0], x)
    with pytest.raises(tinyml.Error, match="indices of the maxima"):
        convert_module(lambda x: FUNCTIONS[dims](x, 2, return_indices=True), x)


def test_unpooling_is_refused():
    with pytest.raises(tinyml.Error, match="indices of the maxima"):
        convert_module(
            lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
            random_input(1, 3, 8, 8),
        )


def test_random_pooling_is_refused():
    with pytest.raises(tinyml.Error, match="not supported"):
        convert_module(nn.FractionalMaxPool2d(2, output_size=3), random_input(1, 3, 8, 8))


def test_volumes_are_transposed_at_the_boundary_only():
    model = nn.Sequential(nn.Conv3d(3, 4, 3), nn.MaxPool3d(2), nn.Conv3d(4, 5, 2))
    result = check_conversion(model, torch.rand(1, 3, 8, 8, 8))
    assert result.operators["TRANSPOSE"] == 2
