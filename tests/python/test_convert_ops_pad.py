"""Padding of every mode and rank."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conversion import check_conversion, random_input

PADS = {1: (2, 1), 2: (2, 1, 0, 3), 3: (2, 1, 0, 3, 1, 1)}
SIZES = {1: (6,), 2: (6, 7), 3: (6, 7, 5)}


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("dims", PADS)
def test_copying_modes(dims, mode):
    check_conversion(lambda x: F.pad(x, PADS[dims], mode), random_input(2, 3, *SIZES[dims]))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_as_far_as_possible(mode):
    check_conversion(lambda x: F.pad(x, (5, 5), mode), random_input(2, 3, 6))


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_without_a_batch_and_negative(mode):
    check_conversion(lambda x: F.pad(x, (2, 1), mode), random_input(3, 6))
    check_conversion(lambda x: F.pad(x, (2, -1, -1, 3), mode), random_input(2, 3, 6, 7))


CONSTANT = {
    "vector": (lambda x: F.pad(x, (2, 1)), (5,)),
    "five": (lambda x: F.pad(x, (2, 1, 0, 3, 1, 1, 2, 0, 0, 1), value=1.5), (1, 2, 3, 4, 5)),
    "six": (lambda x: F.pad(x, (2, 1, 0, 3, 1, 1)), (1, 2, 1, 3, 4, 5)),
    "six_value": (lambda x: F.pad(x, (2, 1, 0, 3), value=-2.0), (1, 2, 1, 3, 4, 5)),
    "negative": (lambda x: F.pad(x, (-2, 1, 1, -3), value=-1), (2, 5, 6)),
    "negative_only": (lambda x: F.pad(x, (-1, -1)), (2, 5, 6)),
    "minus_infinity": (lambda x: F.pad(x, (1, 2), value=float("-inf")).amax(-1), (3, 4)),
    "integers": (lambda x: F.pad((x * 10).int(), (1, 2), value=7), (3, 4)),
    "booleans": (lambda x: F.pad(x > 0, (1, 2), value=True), (3, 4)),
    "zero_pad": (nn.ZeroPad2d((1, 2, 0, -1)), (1, 3, 4, 5)),
    "constant_pad": (nn.ConstantPad3d(1, 2.5), (1, 3, 4, 5, 2)),
    "circular_pad": (nn.CircularPad2d((-1, 2, 1, 1)), (1, 3, 4, 5)),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_constant(name):
    model, shape = CONSTANT[name]
    check_conversion(model, random_input(*shape))


def test_few_rows_are_copied_without_a_gather():
    result = check_conversion(nn.CircularPad2d(3), torch.rand(1, 3, 8, 8))
    assert set(result.operators) == {"SLICE", "CONCATENATION"}
