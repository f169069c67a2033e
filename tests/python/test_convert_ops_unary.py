"""Element-wise functions of one operand, type conversions."""

import pytest
import torch

from conversion import check_conversion, random_input

X = 2 * random_input(1, 3, 4, 5)
INTEGERS = torch.tensor([[-7, 3, 5], [2, -1, 9]])

UNARY = {
    "abs": torch.abs,
    "neg": torch.neg,
    "positive": lambda x: +x,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "expm1": torch.expm1,
    "log": lambda x: torch.log(x.abs() + 0.1),
    "log2": lambda x: torch.log2(x.abs() + 0.1),
    "log10": lambda x: torch.log10(x.abs() + 0.1),
    "log1p": lambda x: torch.log1p(x.abs()),
    "logit": lambda x: torch.logit(x.sigmoid()),
    "logit_eps": lambda x: torch.logit(x.sigmoid(), eps=0.1),
    "sqrt": lambda x: torch.sqrt(x.abs()),
    "rsqrt": lambda x: torch.rsqrt(x.abs() + 0.1),
    "reciprocal": lambda x: torch.reciprocal(x.abs() + 0.1),
    "square": torch.square,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": lambda x: torch.tan(x / 2),
    "asin": lambda x: torch.asin(x.clamp(-1, 1)),
    "acos": lambda x: torch.acos(x.clamp(-1, 1)),
    "atan": torch.atan,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tanh": torch.tanh,
    "asinh": torch.asinh,
    "acosh": lambda x: torch.acosh(x.abs() + 1),
    "atanh": lambda x: torch.atanh(x.clamp(-0.9, 0.9)),
    "sinc": torch.sinc,
    "sigmoid": torch.sigmoid,
    "erf": torch.erf,
    "erf_at_limits": lambda x: torch.erf(x * torch.tensor([0.0, 1e-9, 1e9, -1e9, 1e-3])),
    "erfc": torch.erfc,
    "special_erf": torch.special.erf,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "round_half": lambda x: torch.round((x * 2).round() / 2),
    "round_decimals": lambda x: torch.round(x, decimals=1),
    "trunc": torch.trunc,
    "frac": torch.frac,
    "sign": torch.sign,
    "sgn": torch.sgn,
    "deg2rad": torch.deg2rad,
    "rad2deg": torch.rad2deg,
    "threshold": lambda x: torch.nn.functional.threshold(x, 0.3, -2.0),
    "hardshrink": lambda x: torch.nn.functional.hardshrink(x, 0.3),
    "softshrink": lambda x: torch.nn.functional.softshrink(x, 0.3),
    "tanhshrink": torch.nn.functional.tanhshrink,
    "softsign": torch.nn.functional.softsign,
    "in_place": lambda x: (x * 1).abs_().sqrt_().floor_().neg_(),
}


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    check_conversion(UNARY[name], X)


ROUNDED_INTEGERS = {
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "trunc": torch.trunc,
    "abs": torch.abs,
    "neg": torch.neg,
    "sign": torch.sign,
    "square": torch.square,
    "sqrt": lambda x: torch.sqrt(x.abs()),
    "exp": torch.exp,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "isnan": torch.isnan,
    "isfinite": torch.isfinite,
    "reciprocal": torch.reciprocal,
    "logical_not": torch.logical_not,
    "bitwise_not": torch.bitwise_not,
}


@pytest.mark.parametrize("name", ROUNDED_INTEGERS)
def test_integers(name):
    check_conversion(ROUNDED_INTEGERS[name], INTEGERS)


@pytest.mark.parametrize(
    "shape", [(), (3,), (2, 3), (2, 1, 3), (1, 2, 3, 2, 2), (1, 2, 1, 2, 2, 2)]
)
@pytest.mark.parametrize("name", ["abs", "trunc", "erf", "round"])
def test_ranks(name, shape):
    check_conversion(UNARY[name], 2 * random_input(*shape))


TYPES = {
    "to_int": lambda x: x.int(),
    "to_long": lambda x: x.long() + 1,
    "to_bool": lambda x: x.round().bool(),
    "to_uint8": lambda x: x.abs().to(torch.uint8),
    "to_int8": lambda x: x.to(torch.int8),
    "to_int16": lambda x: x.to(torch.int16).float(),
    "to_double": lambda x: x.double().mul(2).float(),
    "to_half": lambda x: (x.round().half() * 2).float(),
    "to_bfloat16": lambda x: x.round().bfloat16().float() + 1,
    "half_output": lambda x: x.round().half(),
    "double_output": lambda x: x.double() * 2,
    "bool_to_float": lambda x: (x > 0).float(),
    "bool_to_int": lambda x: (x > 0).int() * 3,
    "bool_to_uint8": lambda x: (x > 0).byte(),
    "uint8_to_float": lambda x: x.abs().byte().float() / 255,
    "int_to_bool": lambda x: x.int().bool(),
    "type_as": lambda x: (x > 0).type_as(x),
    "type": lambda x: x.type(torch.int32),
    "to_other": lambda x: (x > 0).to(x),
    "to_device": lambda x: x.to("cpu", torch.float64).to(torch.float32),
    "autocast_matrix": lambda x: torch.autocast("cpu", enabled=False)(lambda y: y @ y.mT)(x),
}


@pytest.mark.parametrize("name", TYPES)
def test_type(name):
    check_conversion(TYPES[name], X)


INPUT_TYPES = [
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
    torch.float16,
    torch.float64,
]


@pytest.mark.parametrize("dtype", INPUT_TYPES, ids=str)
def test_input_type(dtype):
    x = torch.tensor([[1, 0, 3], [0, 5, 6]]).to(dtype)
    check_conversion(lambda x: (x.float() * 2, x.reshape(3, 2), torch.cat([x, x], 1)), x)
