"""Arithmetic, comparisons, reductions, with broadcasting and type promotion."""

import pytest
import torch

from conversion import check_conversion, random_input

INTEGERS = torch.tensor([[-7, 3, 5], [2, -1, 9]])

BINARY = {
    "add": lambda a, b: a + b,
    "add_alpha": lambda a, b: torch.add(a, b, alpha=0.5),
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b.abs() + 1),
    "div_floor": lambda a, b: torch.div(a, b.abs() + 1, rounding_mode="floor"),
    "div_trunc": lambda a, b: torch.div(a, b.abs() + 0.1, rounding_mode="trunc"),
    "rsub": lambda a, b: torch.rsub(a, b, alpha=2),
    "pow": lambda a, b: a.abs() ** b,
    "minimum": torch.minimum,
    "maximum": torch.maximum,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a.round() == b.round(),
    "ne": lambda a, b: a.round() != b.round(),
    "where": lambda a, b: torch.where(a > b, a, b * 2),
    "logic": lambda a, b: ((a > 0) & (b > 0)) | ~(a > 1),
    "xor": lambda a, b: torch.logical_xor(a > 0, b > 0),
    "addcmul": lambda a, b: torch.addcmul(a, a, b, value=0.5),
    "lerp": lambda a, b: torch.lerp(a, b, 0.3),
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(("a", "b"), [((1, 3, 4, 5), (1, 3, 4, 5)), ((2, 3, 4, 5), (3, 1, 1))])
def test_binary(name, a, b):
    check_conversion(BINARY[name], random_input(*a), random_input(*b, seed=1))


SCALAR = {
    "add": lambda x: x + 2,
    "sub": lambda x: x - 0.5,
    "rsub": lambda x: 1 - x,
    "mul": lambda x: 3 * x,
    "div": lambda x: x / 4,
    "rdiv": lambda x: 2 / (x.abs() + 1),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "root": lambda x: x.abs() ** 0.5,
    "power": lambda x: x.abs() ** 1.7,
    "gt": lambda x: x > 0.3,
    "masked_fill": lambda x: x.masked_fill(x < 0, -5.0),
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "zeros_like": lambda x: x + torch.zeros_like(x) + torch.ones(5),
}


@pytest.mark.parametrize("name", SCALAR)
def test_scalar(name):
    check_conversion(SCALAR[name], random_input(1, 3, 4, 5))


UNARY = {
    "abs": torch.abs,
    "neg": torch.neg,
    "exp": torch.exp,
    "log": lambda x: torch.log(x.abs() + 0.1),
    "log2": lambda x: torch.log2(x.abs() + 0.1),
    "log1p": lambda x: torch.log1p(x.abs()),
    "expm1": torch.expm1,
    "sqrt": lambda x: torch.sqrt(x.abs()),
    "rsqrt": lambda x: torch.rsqrt(x.abs() + 0.1),
    "reciprocal": lambda x: torch.reciprocal(x.abs() + 0.1),
    "sin": torch.sin,
    "cos": torch.cos,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "trunc": torch.trunc,
    "sign": torch.sign,
    "square": torch.square,
}


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    check_conversion(UNARY[name], 2 * random_input(1, 3, 4, 5))


REDUCTIONS = {
    "mean": lambda x: x.mean(),
    "mean_dims": lambda x: x.mean([2, 3]),
    "mean_keep": lambda x: x.mean((-1, -2), keepdim=True),
    "sum": lambda x: x.sum(1),
    "amax": lambda x: x.amax((1, 3)),
    "amin": lambda x: x.amin(-1, keepdim=True),
    "max": lambda x: x.max(),
    "max_values": lambda x: x.max(1).values,
    "max_both": lambda x: tuple(torch.max(x, 1, keepdim=True)),
    "min_both": lambda x: tuple(torch.min(x, 2)),
    "argmax": lambda x: x.argmax(1),
    "argmax_keep": lambda x: x.argmax(2, keepdim=True),
    "argmax_flat": lambda x: x.argmax(),
    "argmin": lambda x: x.argmin(-1),
    "prod": lambda x: x.prod(1),
    "var": lambda x: x.var(1),
    "var_biased": lambda x: x.var((2, 3), unbiased=False),
    "std": lambda x: x.std(1, keepdim=True),
    "norm": lambda x: x.norm(dim=1),
    "norm_1": lambda x: torch.linalg.vector_norm(x, 1, dim=1),
    "norm_inf": lambda x: torch.linalg.vector_norm(x, float("inf"), dim=(1, 2)),
    "logsumexp": lambda x: x.logsumexp(1),
    "any": lambda x: (x > 1).any(1),
    "all": lambda x: (x > -1).all(-1),
    "count": lambda x: (x > 0).sum(1),
    "cumsum": lambda x: x.cumsum(1),
    "topk": lambda x: tuple(torch.topk(x, 2, dim=-1)),
    "topk_channels": lambda x: tuple(torch.topk(x, 2, dim=1)),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction(name):
    check_conversion(REDUCTIONS[name], random_input(2, 3, 4, 5))


INTEGER = {
    "add": lambda x: x + 1,
    "mul": lambda x: x * x,
    "true_division": lambda x: x / 2,
    "floor_division": lambda x: x // 2,
    "to_float": lambda x: x.float() * 0.5,
    "compare": lambda x: x > 1,
    "compare_float": lambda x: x > 1.5,
    "mixed": lambda x: x * 0.5,
    "sum": lambda x: x.sum(1),
    "to_bool": lambda x: x.bool(),
}


@pytest.mark.parametrize("name", INTEGER)
def test_integer(name):
    check_conversion(INTEGER[name], INTEGERS)


def test_booleans_become_numbers():
    check_conversion(lambda x: (x > 0).float() + (x > 1).long() * 2, random_input(2, 5))
