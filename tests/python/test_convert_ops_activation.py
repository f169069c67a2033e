"""Activations whose arguments change the form that they are lowered to."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conversion import check_conversion, random_input

ACTIVATIONS = {
    "celu_negative": nn.CELU(-0.7),
    "elu_all": lambda x: torch.ops.aten.elu.default(x, 0.7, 1.3, 0.5),
    "softplus_threshold": nn.Softplus(3, 2),
    "softplus_early": nn.Softplus(0.5, 1),
    "softsign": nn.Softsign(),
    "softshrink": nn.Softshrink(0.2),
    "hardshrink": nn.Hardshrink(0.8),
    "tanhshrink": nn.Tanhshrink(),
    "threshold": nn.Threshold(0.3, 2.0),
    "threshold_zero": nn.Threshold(0, 0),
    "hardtanh_positive": nn.Hardtanh(0.5, 1.5),
    "hardtanh_negative": nn.Hardtanh(-1.5, -0.5),
    "clamp_reversed": lambda x: x.clamp(1.0, -1.0),
    "softmin": nn.Softmin(1),
    "softmax_2d": nn.Softmax2d(),
    "leaky_negative": nn.LeakyReLU(-0.1),
    "leaky_steep": nn.LeakyReLU(1.5),
    "rrelu": nn.RReLU(0.1, 0.5),
    "prelu_computed": lambda x: F.prelu(x, x.mean((0, 2, 3))),
    "special": lambda x: torch.special.expit(x) + torch.special.log_softmax(x, 1),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name):
    check_conversion(ACTIVATIONS[name], 3 * random_input(2, 4, 5, 6), tolerance=2e-4)


@pytest.mark.parametrize("function", [F.relu, F.relu6, lambda x: F.hardtanh(x, -2, 3)])
def test_integers(function):
    check_conversion(function, torch.arange(-5, 15))
