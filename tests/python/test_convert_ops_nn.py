"""Activations, normalisation, pooling, resizing and softmax."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conversion import check_conversion, convert_module, random_input

ACTIVATIONS = {
    "relu": nn.ReLU(),
    "relu6": nn.ReLU6(),
    "hardtanh": nn.Hardtanh(),
    "hardtanh_0_1": nn.Hardtanh(0, 1),
    "hardtanh_0_4": nn.Hardtanh(0, 4),
    "hardtanh_any": nn.Hardtanh(-0.5, 0.75),
    "leaky_relu": nn.LeakyReLU(0.2),
    "rrelu": nn.RReLU().eval(),
    "prelu": nn.PReLU(4, init=0.3),
    "prelu_shared": nn.PReLU(init=0.3),
    "elu": nn.ELU(),
    "elu_alpha": nn.ELU(0.5),
    "selu": nn.SELU(),
    "celu": nn.CELU(0.7),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "silu": nn.SiLU(),
    "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU("tanh"),
    "softplus": nn.Softplus(),
    "softplus_beta": nn.Softplus(2.0),
    "mish": nn.Mish(),
    "logsigmoid": nn.LogSigmoid(),
    "glu": nn.GLU(1),
    "clamp": lambda x: x.clamp(-0.3, 0.8),
    "clamp_min": lambda x: x.clamp(min=0.1),
    "clamp_max": lambda x: x.clamp(max=0.1),
    "clamp_tensor": lambda x: torch.clamp(x, min=torch.tensor(-0.5)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name):
    # The runtime's own kernels approximate exp, tanh and erf to about 1e-4 at worst.
    check_conversion(ACTIVATIONS[name], 3 * random_input(1, 4, 5, 5), tolerance=2e-4)


@pytest.mark.parametrize("name", ["prelu", "prelu_shared", "relu", "hardswish"])
@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 5)])
def test_activation_of_vectors(name, shape):
    check_conversion(ACTIVATIONS[name], random_input(*shape))


def test_softplus_does_not_overflow():
    check_conversion(nn.Softplus(), torch.tensor([[-200.0, -5.0, 0.0, 5.0, 30.0, 200.0]]))


def _batch_norm(module):
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        module.running_mean.normal_(generator=generator)
        module.running_var.uniform_(0.5, 2, generator=generator)
        if module.affine:
            module.weight.normal_(generator=generator)
            module.bias.normal_(generator=generator)
    return module


NORMS = {
    "batch_norm": (_batch_norm(nn.BatchNorm2d(4)), (2, 4, 5, 5)),
    "batch_norm_plain": (_batch_norm(nn.BatchNorm2d(4, affine=False, eps=0.1)), (1, 4, 5, 5)),
    "batch_norm_1d": (_batch_norm(nn.BatchNorm1d(4)), (3, 4)),
    "batch_norm_1d_sequence": (_batch_norm(nn.BatchNorm1d(4)), (3, 4, 6)),
    "batch_norm_3d": (_batch_norm(nn.BatchNorm3d(4)), (1, 4, 3, 3, 3)),
    "layer_norm": (nn.LayerNorm(6), (2, 5, 6)),
    "layer_norm_two": (nn.LayerNorm((5, 6), eps=1e-3), (2, 5, 6)),
    "layer_norm_plain": (nn.LayerNorm(6, elementwise_affine=False), (2, 6)),
    "group_norm": (nn.GroupNorm(2, 8), (2, 8, 4, 5)),
    "group_norm_one": (nn.GroupNorm(1, 8), (1, 8, 4, 5)),
    "group_norm_channels": (nn.GroupNorm(8, 8), (1, 8, 4, 5)),
    "instance_norm": (nn.InstanceNorm2d(4, affine=True), (2, 4, 5, 5)),
    "instance_norm_1d": (nn.InstanceNorm1d(4), (2, 4, 7)),
    "rms_norm": (nn.RMSNorm(6, eps=1e-6), (2, 5, 6)),
}


@pytest.mark.parametrize("name", NORMS)
def test_normalization(name):
    model, shape = NORMS[name]
    for parameter in model.parameters():
        if not name.startswith("batch_norm"):
            nn.init.uniform_(parameter, 0.5, 1.5)
    check_conversion(model, 2 * random_input(*shape) + 1)


def test_batch_norm_after_a_convolution_costs_nothing():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), _batch_norm(nn.BatchNorm2d(4)), nn.ReLU())
    result = check_conversion(model, random_input(1, 3, 8, 8))
    assert result.operators == {"CONV_2D": 1}


POOLS = {
    "max": (nn.MaxPool2d(2), (1, 3, 8, 8)),
    "max_padded": (nn.MaxPool2d(3, 2, 1), (1, 3, 9, 8)),
    "max_negative": (lambda x: F.max_pool2d(-x.abs() - 1, 3, 2, 1), (1, 3, 8, 8)),
    "max_ceil": (nn.MaxPool2d(3, 2, ceil_mode=True), (1, 3, 8, 10)),
    "max_ceil_padded": (nn.MaxPool2d(3, 2, 1, ceil_mode=True), (1, 3, 8, 10)),
    "max_uneven": (nn.MaxPool2d((3, 2), (1, 2), (1, 0)), (2, 3, 8, 8)),
    "max_dilated": (nn.MaxPool2d(3, 2, 1, dilation=2), (1, 3, 10, 10)),
    "max_1d": (nn.MaxPool1d(3, 2, 1), (1, 3, 11)),
    "max_unbatched": (nn.MaxPool2d(2), (3, 8, 8)),
    "avg": (nn.AvgPool2d(2), (1, 3, 8, 8)),
    "avg_padded": (nn.AvgPool2d(3, 2, 1), (1, 3, 9, 8)),
    "avg_excluded": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), (1, 3, 9, 8)),
    "avg_same": (nn.AvgPool2d(3, 1, 1, count_include_pad=False), (1, 3, 9, 8)),
    "avg_ceil": (nn.AvgPool2d(3, 2, ceil_mode=True), (1, 3, 8, 10)),
    "avg_ceil_padded": (nn.AvgPool2d(3, 2, 1, ceil_mode=True), (1, 3, 8, 10)),
    "avg_divisor": (nn.AvgPool2d(2, divisor_override=3), (1, 3, 8, 8)),
    "avg_whole": (nn.AvgPool2d((8, 6)), (1, 3, 8, 6)),
    "avg_1d": (nn.AvgPool1d(3, 2, 1), (1, 3, 11)),
    "adaptive_global": (nn.AdaptiveAvgPool2d(1), (1, 3, 7, 5)),
    "adaptive_divisible": (nn.AdaptiveAvgPool2d((2, 4)), (1, 3, 8, 8)),
    "adaptive_uneven": (nn.AdaptiveAvgPool2d((3, 5)), (1, 3, 7, 8)),
    "adaptive_same": (nn.AdaptiveAvgPool2d((None, 7)), (1, 3, 7, 7)),
    "adaptive_larger": (nn.AdaptiveAvgPool2d(5), (1, 3, 3, 4)),
    "adaptive_1d": (nn.AdaptiveAvgPool1d(3), (1, 3, 8)),
    "adaptive_max": (nn.AdaptiveMaxPool2d(2), (1, 3, 8, 8)),
    "adaptive_max_global": (nn.AdaptiveMaxPool2d(1), (1, 3, 8, 8)),
    "adaptive_max_uneven": (nn.AdaptiveMaxPool2d(3), (1, 3, 7, 7)),
}


@pytest.mark.parametrize("name", POOLS)
def test_pooling(name):
    model, shape = POOLS[name]
    check_conversion(model, random_input(*shape))


RESIZES = {
    "nearest": nn.Upsample(scale_factor=2),
    "nearest_size": nn.Upsample(size=(7, 11)),
    "nearest_down": nn.Upsample(size=(3, 2)),
    "nearest_fraction": nn.Upsample(scale_factor=1.7),
    "nearest_recomputed": nn.Upsample(scale_factor=1.7, recompute_scale_factor=True),
    "nearest_exact": nn.Upsample(size=(7, 11), mode="nearest-exact"),
    "bilinear": nn.Upsample(scale_factor=2, mode="bilinear"),
    "bilinear_corners": nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
    "bilinear_size": nn.Upsample(size=(9, 4), mode="bilinear"),
    "bilinear_fraction": nn.Upsample(scale_factor=1.7, mode="bilinear"),
}


@pytest.mark.parametrize("name", RESIZES)
def test_resize(name):
    check_conversion(RESIZES[name], random_input(1, 3, 5, 6))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resize_of_sequences(mode):
    check_conversion(nn.Upsample(scale_factor=2, mode=mode), random_input(1, 3, 5))


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
@pytest.mark.parametrize(("shape", "dim"), [((2, 5), 1), ((2, 5), 0), ((1, 3, 4, 5), 1), ((6,), 0)])
def test_softmax(function, shape, dim):
    check_conversion(lambda x: function(x, dim=dim), random_input(*shape))


def test_embedding():
    model = nn.Embedding(7, 5)
    check_conversion(model, torch.tensor([[0, 3, 6], [1, 1, 2]]))


def test_dropout_is_the_identity():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.ReLU())
    assert convert_module(model, random_input(2, 4)).operators == {"FULLY_CONNECTED": 1}
