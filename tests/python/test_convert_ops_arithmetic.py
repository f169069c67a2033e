"""Element-wise operators of two operands: arithmetic, comparisons, logic, broadcasting."""

import pytest
import torch

from conversion import check_conversion, random_input

A = random_input(2, 3, 4, 5)
B = random_input(2, 3, 4, 5, seed=1)
INTEGERS = torch.tensor([[-7, 3, 5, 0], [2, -1, 9, 6]])
DIVISORS = torch.tensor([[2, -3, 4, 5], [-2, 3, 1, -4]])
BITS = torch.tensor([[-7, 3, 5, 2**31 - 1], [2, -1, 2**30 + 3, -(2**31)]])
NOT_FINITE = torch.tensor([0.5, float("nan"), float("inf"), -float("inf"), -2.0])

BINARY = {
    "add": lambda a, b: a + b,
    "add_alpha": lambda a, b: torch.add(a, b, alpha=0.5),
    "add_in_place": lambda a, b: a.clone().add_(b),
    "sub": lambda a, b: a - b,
    "sub_alpha": lambda a, b: torch.sub(a, b, alpha=3),
    "rsub": lambda a, b: torch.rsub(a, b, alpha=2),
    "mul": lambda a, b: a * b,
    "mul_in_place": lambda a, b: a.clone().mul_(b).neg_(),
    "div": lambda a, b: a / (b.abs() + 1),
    "div_floor": lambda a, b: torch.div(a, b.abs() + 1, rounding_mode="floor"),
    "div_trunc": lambda a, b: torch.div(a, b.abs() + 0.1, rounding_mode="trunc"),
    "floor_divide": lambda a, b: (4 * a) // (b.abs() + 0.5),
    "remainder": lambda a, b: torch.remainder(5 * a, b.sign() * (b.abs() + 0.5)),
    "fmod": lambda a, b: torch.fmod(5 * a, b.sign() * (b.abs() + 0.5)),
    "pow": lambda a, b: a.abs() ** b,
    "minimum": torch.minimum,
    "maximum": torch.maximum,
    "fmin": torch.fmin,
    "fmax": torch.fmax,
    "min_other": torch.min,
    "max_other": torch.max,
    "clamp_tensors": lambda a, b: a.clamp(b - 0.5, b + 0.5),
    "clamp_min_tensor": lambda a, b: a.clamp(min=b),
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a.round() == b.round(),
    "ne": lambda a, b: a.round() != b.round(),
    "isclose": lambda a, b: torch.isclose(a.round(), b.round()),
    "where": lambda a, b: torch.where(a > b, a, b * 2),
    "logic": lambda a, b: ((a > 0) & (b > 0)) | ~(a > 1),
    "xor": lambda a, b: torch.logical_xor(a > 0, b > 0),
    "xor_in_place": lambda a, b: (a > 0) ^ (b > 0) == (a > b),
    "logical_of_numbers": lambda a, b: torch.logical_and(a.round(), b.round()),
    "addcmul": lambda a, b: torch.addcmul(a, a, b, value=0.5),
    "addcdiv": lambda a, b: torch.addcdiv(a, a, b.abs() + 1, value=0.5),
    "lerp": lambda a, b: torch.lerp(a, b, 0.3),
    "lerp_tensor": lambda a, b: torch.lerp(a, b, a.sigmoid()),
    "atan2": lambda a, b: torch.atan2(a, b),
    "hypot": torch.hypot,
    "copysign": torch.copysign,
    "logaddexp": torch.logaddexp,
    "logaddexp2": torch.logaddexp2,
    "xlogy": lambda a, b: torch.xlogy(a.round(), b.abs() + 0.1),
    "heaviside": lambda a, b: torch.heaviside(a.round(), b),
    "squared_difference": lambda a, b: (a - b) ** 2,
    "dist": lambda a, b: torch.dist(a, b + 0 * a),
    "isin": lambda a, b: torch.isin((3 * a).int(), torch.tensor([0, -1, 2])),
    "not_isin": lambda a, b: torch.isin((3 * a).int(), (2 * b[0, 0]).int(), invert=True),
    "ldexp": lambda a, b: torch.ldexp(a, b.round()),
    "float_power": lambda a, b: torch.float_power(a.abs() + 0.1, 2).float() * b,
}


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    check_conversion(BINARY[name], A, B)


BROADCASTS = {
    "channels": ((2, 3, 4, 5), (3, 1, 1)),
    "rank_zero": ((2, 3), ()),
    "both": ((4, 1, 5), (3, 1)),
    "rank_five": ((2, 1, 3, 4, 2), (2, 2, 1, 4, 1)),
    "rank_six": ((2, 1, 3, 2, 2, 2), (2, 2, 1, 2, 1, 1)),
    "rank_six_equal": ((2, 1, 3, 2, 2, 2), (2, 1, 3, 2, 2, 2)),
}


@pytest.mark.parametrize(("a", "b"), BROADCASTS.values(), ids=BROADCASTS)
@pytest.mark.parametrize(
    "name", ["add", "div_floor", "fmod", "lt", "where", "pow", "atan2", "lerp"]
)
def test_broadcasting(name, a, b):
    check_conversion(BINARY[name], random_input(*a), random_input(*b, seed=1))


SCALAR = {
    "add": lambda x: x + 2,
    "sub": lambda x: x - 0.5,
    "rsub": lambda x: 1 - x,
    "mul": lambda x: 3 * x,
    "div": lambda x: x / 4,
    "rdiv": lambda x: 2 / (x.abs() + 1),
    "floor_divide": lambda x: x // 0.3,
    "remainder": lambda x: x % 0.7,
    "remainder_negative": lambda x: x % -0.7,
    "remainder_of_number": lambda x: torch.remainder(3.5, x.abs() + 0.5),
    "fmod": lambda x: x.fmod(-0.7),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "fourth": lambda x: x**4,
    "root": lambda x: x.abs() ** 0.5,
    "inverse_square": lambda x: (x.abs() + 0.5) ** -2,
    "zeroth": lambda x: x**0,
    "power": lambda x: x.abs() ** 1.7,
    "exponential": lambda x: 2**x,
    "gt": lambda x: x > 0.3,
    "not_equal": lambda x: x.round() != 1,
    "masked_fill": lambda x: x.masked_fill(x < 0, -5.0),
    "masked_fill_in_place": lambda x: (x * 1).masked_fill_(x < 0, float("-inf")).softmax(-1),
    "masked_fill_tensor": lambda x: x.masked_fill(x < 0, torch.tensor(2.0)),
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "where_numbers": lambda x: torch.where(x > 0, 1.0, -1.0),
    "zeros_like": lambda x: x + torch.zeros_like(x) + torch.ones(5),
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "clip": lambda x: x.clip(max=0.5),
    "clamp_in_place": lambda x: (x * 1).clamp_(min=0.1),
}


@pytest.mark.parametrize("name", SCALAR)
def test_scalar(name):
    check_conversion(SCALAR[name], A)


INTEGER = {
    "add": lambda x, y: x + y,
    "add_one": lambda x, y: x + 1,
    "add_int32": lambda x, y: x.int() + y,
    "sub_uint8": lambda x, y: (x.abs().to(torch.uint8) + y.abs().to(torch.uint8)).int(),
    "mul": lambda x, y: x * y,
    "mul_bool": lambda x, y: (x > 0) * y,
    "add_bool": lambda x, y: (x > 0) + (y > 0),
    "true_division": lambda x, y: x / y,
    "true_division_number": lambda x, y: x / 2,
    "floor_division": lambda x, y: x // y,
    "floor_division_number": lambda x, y: x // 2,
    "div_floor": lambda x, y: torch.div(x, y, rounding_mode="floor"),
    "div_trunc": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
    "remainder": lambda x, y: x % y,
    "remainder_number": lambda x, y: x % 3,
    "fmod": lambda x, y: torch.fmod(x, y),
    "pow": lambda x, y: x**2,
    "cube": lambda x, y: x**3,
    "pow_tensor": lambda x, y: x ** y.abs(),
    "neg_abs": lambda x, y: -x.abs(),
    "sign": lambda x, y: x.sign(),
    "minimum": torch.minimum,
    "clamp": lambda x, y: x.clamp(-2, 4),
    "to_float": lambda x, y: x.float() * 0.5,
    "compare": lambda x, y: x > y,
    "compare_number": lambda x, y: x > 1,
    "compare_float": lambda x, y: x > 1.5,
    "equal_bool": lambda x, y: (x > 0) == (y > 0),
    "less_bool": lambda x, y: (x > 0) < (y > 0),
    "mixed": lambda x, y: x * 0.5,
    "mixed_tensor": lambda x, y: x * y.float(),
    "where": lambda x, y: torch.where(x > 0, x, y),
    "where_types": lambda x, y: torch.where(x > 0, x, 0.5),
    "shift_left": lambda x, y: x << 2,
    "shift_right": lambda x, y: x >> 1,
    "shift_tensors": lambda x, y: (x << y.abs(), x >> y.abs()),
    "lerp": lambda x, y: torch.lerp(x.float(), y.float(), 0.25),
    "addcmul": lambda x, y: torch.addcmul(x, x, y, value=2),
    "in_place": lambda x, y: x.clone().mul_(2).add_(y),
    "gcd_by_hand": lambda x, y: torch.where(y != 0, x % torch.where(y == 0, 1, y), x),
}


@pytest.mark.parametrize("name", INTEGER)
def test_integer(name):
    check_conversion(INTEGER[name], INTEGERS, DIVISORS)


BITWISE = {
    "and": lambda x, y: x & y,
    "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y,
    "not": lambda x, y: ~x,
    "and_number": lambda x, y: x & 6,
    "and_low_bits": lambda x, y: x & 0xFF,
    "or_number": lambda x, y: x | 6,
    "xor_number": lambda x, y: x ^ 5,
    "in_place": lambda x, y: x.clone().bitwise_and_(y).bitwise_or_(x),
    "bool_number": lambda x, y: (x > 0) & True,
    "bool_integer": lambda x, y: (x > 0) & y,
}


@pytest.mark.parametrize("name", BITWISE)
@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8])
def test_bitwise(name, dtype):
    x, y = BITS.to(torch.int32), BITS.flip(0).to(torch.int32)
    check_conversion(lambda x, y: BITWISE[name](x.to(dtype), y.to(dtype)).int(), x, y)


SPECIAL_VALUES = {
    "isnan": torch.isnan,
    "isinf": torch.isinf,
    "isfinite": torch.isfinite,
    "isposinf": torch.isposinf,
    "isneginf": torch.isneginf,
    "nan_to_num": lambda x: torch.nan_to_num(x, 1.0, 100.0, -100.0),
    "nan_to_num_default": lambda x: torch.nan_to_num(x) > 1e38,
    "not_equal_itself": lambda x: x != x,
    "masked_by_where": lambda x: torch.where(torch.isnan(x), torch.zeros_like(x), x),
    "frac_of_finite": lambda x: torch.where(torch.isfinite(x), x, 0.25).frac(),
    "signbit": torch.signbit,
    "relu": lambda x: torch.relu(torch.nan_to_num(x, 0.0, 5.0, -5.0)),
}


@pytest.mark.parametrize("name", SPECIAL_VALUES)
def test_special_values(name):
    check_conversion(SPECIAL_VALUES[name], NOT_FINITE)


def test_booleans_become_numbers():
    check_conversion(lambda x: (x > 0).float() + (x > 1).long() * 2, random_input(2, 5))


def test_rank_zero_operands():
    check_conversion(lambda x, y: (x.sum() * y + 2, x.sum() > 1), A, torch.tensor(0.5))
