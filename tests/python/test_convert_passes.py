"""Modules whose graphs the passes make shorter: the operators that are left, and the numbers."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conversion import check_conversion, random_input

KERNELS = ("xnnpack", "builtin", "reference")
X = random_input(1, 8, 8, 8)


class Net(nn.Module):
    """Two 1x1 convolutions and a batch norm with statistics, put together by a function."""

    def __init__(self, function: Callable[["Net", Tensor], Tensor | list[Tensor]]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.c, self.d = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.k = nn.Conv2d(8, 8, 3)
        self.linear = nn.Linear(128, 5)
        self.norm = nn.BatchNorm2d(8)
        self.factor = nn.Parameter(torch.randn(8, 1, 1))
        for tensor in (self.norm.weight, self.norm.bias, self.norm.running_mean):
            nn.init.normal_(tensor)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        return self.function(self, x)


def pad(x: Tensor, amount: int = 1) -> Tensor:
    return F.pad(x, (amount,) * 4)


# The module, and all of its operators in the file.
LAYERS = {
    "relu_behind_flatten": (lambda m, x: m.c(x).flatten(1).relu(), "CONV_2D RESHAPE TRANSPOSE"),
    "relu_behind_pad": (lambda m, x: pad(m.c(x)).relu(), "CONV_2D PAD"),
    "relu_behind_concatenation": (
        lambda m, x: F.relu6(torch.cat([m.c(x), m.d(x)], 1)),
        "CONCATENATION CONV_2D CONV_2D",
    ),
    "relu_of_a_part_stays": (
        lambda m, x: torch.cat([m.c(x), x], 1).relu(),
        "CONCATENATION CONV_2D RELU",
    ),
    "relu_behind_pixel_shuffle": (
        lambda m, x: F.pixel_shuffle(m.c(x), 2).relu(),
        "CONV_2D DEPTH_TO_SPACE",
    ),
    "relu_behind_resize": (
        lambda m, x: F.interpolate(m.c(x), scale_factor=2).relu(),
        "CONV_2D RESIZE_NEAREST_NEIGHBOR",
    ),
    "relu_of_split": (
        lambda m, x: [part.relu() for part in m.c(x).chunk(2, 1)],
        "CONV_2D CONV_2D",
    ),
    "relu_of_pad_by_one_stays": (
        lambda m, x: F.pad(m.c(x), (1, 1, 1, 1), value=-1.0).relu(),
        "CONV_2D PADV2 RELU",
    ),
    "clamps": (lambda m, x: m.c(x).relu().clamp(max=6.0), "CONV_2D"),
    "maximum_with_zero": (lambda m, x: torch.maximum(m.c(x), torch.zeros(1)), "CONV_2D"),
    "relu_of_relu6": (lambda m, x: F.relu6(x.relu()).relu(), "RELU6"),
    "clamp_in_clamp": (lambda m, x: x.clamp(min=-3.0).clamp(min=-2.0), "MAXIMUM"),
    "clamp_of_clamp_stays": (lambda m, x: x.clamp(min=-0.5).clamp(max=2.0), "MAXIMUM MINIMUM"),
    "factor_before_leaky_relu": (
        lambda m, x: m.d(F.leaky_relu((m.c(x) + x) / 2, 0.1)),
        "ADD CONV_2D CONV_2D LEAKY_RELU",
    ),
    "factors_before_pooling": (
        lambda m, x: m.k(F.max_pool2d(torch.relu((m.c(x) + x) * m.factor.exp()), 2)),
        "ADD CONV_2D CONV_2D MAX_POOL_2D",
    ),
    "factors_of_both_signs_before_relu_stay": (
        lambda m, x: m.d(F.leaky_relu((m.c(x) + x) * m.factor, 0.1)),
        "ADD CONV_2D CONV_2D LEAKY_RELU MUL",
    ),
    "summand_before_leaky_relu_stays": (
        lambda m, x: m.d(F.leaky_relu(torch.exp(x) + 2, 0.1)),
        "ADD CONV_2D EXP LEAKY_RELU",
    ),
    "factor_before_transposed": (
        lambda m, x: F.conv_transpose2d(F.leaky_relu(torch.exp(x) * 3), m.k.weight),
        "EXP LEAKY_RELU TRANSPOSE_CONV",
    ),
    "pad_of_pad": (
        lambda m, x: m.k(F.pad(F.pad(x, (1, 0, 1, 0)), (0, 1, 0, 1))),
        "CONV_2D",
    ),
    "negated": (lambda m, x: -m.c(x), "CONV_2D"),
    "factor_behind_pad": (lambda m, x: pad(m.c(x)) * m.factor, "CONV_2D PAD"),
    "norm_behind_pad": (lambda m, x: m.norm(pad(m.c(x))), "ADD CONV_2D PAD"),
    "norm_behind_resize": (
        lambda m, x: m.norm(F.interpolate(m.c(x), scale_factor=2)),
        "CONV_2D RESIZE_NEAREST_NEIGHBOR",
    ),
    "norm_behind_bilinear": (
        lambda m, x: m.norm(F.interpolate(m.c(x), scale_factor=2, mode="bilinear")),
        "CONV_2D RESIZE_BILINEAR",
    ),
    "norm_before_flattened": (
        lambda m, x: m.linear(m.norm(F.max_pool2d(x, 2)).flatten(1)),
        "MAX_POOL_2D FULLY_CONNECTED",
    ),
    "norm_of_padded_before_flattened": (
        lambda m, x: m.linear(pad(m.norm(F.max_pool2d(x, 4))).flatten(1)),
        "MAX_POOL_2D DEPTHWISE_CONV_2D PAD FULLY_CONNECTED",
    ),
}

VALUES = {
    "quotient_by_root": (lambda x: x / (x.square().mean(1, keepdim=True) + 1).sqrt(), "RSQRT MUL"),
    "reciprocal_of_root": (lambda x: 1 / x.abs().add(1).sqrt(), "ABS ADD RSQRT"),
    "means": (lambda x: x.mean(3).mean(1), "MEAN"),
    "maxima": (lambda x: x.amax(1).amax((1, 2)), "REDUCE_MAX"),
    "sum_that_keeps_stays": (lambda x: x.sum(3).sum(1, keepdim=True), "SUM SUM"),
    "gathers": (lambda x: x[:, [3, 1, 2, 0]][:, [0, 2]], "GATHER"),
    "gather_in_a_row": (lambda x: x[:, [1, 2, 3]] * 2, "SLICE MUL"),
    "gather_of_every_second": (lambda x: x[:, [1, 3, 5]] * 2, "STRIDED_SLICE MUL"),
    "expansions": (
        lambda x: x.mean((2, 3), keepdim=True).expand(1, 8, 8, 1).expand(1, 8, 8, 8),
        "MEAN BROADCAST_TO",
    ),
    "reversed_twice": (lambda x: x.flip(2).flip(2) + 1, "ADD"),
    "reversed_otherwise": (lambda x: x.flip(2).flip(3) + 1, "REVERSE_V2 REVERSE_V2 ADD"),
    "mask_of_nothing": (
        lambda x: x.masked_fill(torch.zeros(8, 8, dtype=torch.bool), 1.0) * 2,
        "MUL",
    ),
    "where_always": (lambda x: torch.where(torch.tensor(True), x, x.exp()) * 2, "MUL"),
    "mask_of_some": (
        lambda x: x.masked_fill(torch.eye(8, dtype=torch.bool), 1.0) * 2,
        "SELECT_V2 MUL",
    ),
}


A, B = random_input(2, 5, 7), random_input(2, 7, 3, seed=1)
C, D = random_input(2, 3, 7, seed=2), random_input(7, 3, seed=3)

# Products, their operands, and how many TRANSPOSEs are left.
PRODUCTS = {
    "of_transposed_second": (lambda a, b: a @ b.transpose(1, 2), (A, C), 0),
    "transposed": (lambda a, b: (a @ b).transpose(1, 2), (A, B), 1),
    "transposed_of_transposed_second": (
        lambda a, b: (a @ b.transpose(1, 2)).transpose(1, 2),
        (A, C),
        0,
    ),
    "transposed_of_both": (
        lambda a, b: (a.transpose(1, 2) @ b.transpose(1, 2)).transpose(1, 2),
        (random_input(2, 7, 5), C),
        0,
    ),
    "transposed_of_more_batches": (
        lambda a, b: (a @ b.transpose(1, 2)).transpose(2, 3),
        (random_input(4, 2, 5, 7), C),
        0,
    ),
    "transposed_of_one_matrix": (
        lambda a, b: torch.matmul(a, b.expand(2, 7, 3)).transpose(1, 2) + 1,
        (A, D),
        1,
    ),
}


class PositionAttention(nn.Module):
    """Attention between the positions of an image, as SAGAN, DANet and non-local networks do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.q, self.k, self.v = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.q(x).flatten(2).transpose(1, 2), self.k(x).flatten(2), self.v(x).flatten(2)
        return (v @ (q @ k).softmax(-1).transpose(1, 2)).view(x.shape) + x


def left(result) -> list[str]:
    return sorted(op for op, count in result.operators.items() for _ in range(count))


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    function, expected = LAYERS[name]
    result = check_conversion(Net(function), X, kernels=KERNELS, generated=False, evaluated=False)
    assert left(result) == sorted(expected.split())


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    function, expected = VALUES[name]
    result = check_conversion(function, X, kernels=KERNELS, generated=False, evaluated=False)
    assert set(left(result)) >= set(expected.split())
    if name != "quotient_by_root":  # The square and its mean besides.
        assert left(result) == sorted(expected.split())
    else:
        assert not {"DIV", "SQRT"} & set(result.operators)


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str) -> None:
    function, inputs, expected = PRODUCTS[name]
    result = check_conversion(function, *inputs, kernels=KERNELS, generated=False, evaluated=False)
    assert result.operators.get("TRANSPOSE", 0) == expected


def test_attention_between_positions_needs_no_transpose() -> None:
    result = check_conversion(
        PositionAttention(), random_input(2, 8, 5, 6), kernels=KERNELS, generated=False
    )
    assert "TRANSPOSE" not in result.operators
