"""Scales far apart: beyond what integer kernels can do, operators stay float and the file right."""

import operator

import pytest
import torch

from conversion import check_steps, convert_module, random_input

X, Y = random_input(1, 3, 5, 8), random_input(1, 3, 5, 8, seed=1)


def fake_quantize(x: torch.Tensor, scale: float) -> torch.Tensor:
    return torch.fake_quantize_per_tensor_affine(x, scale, 0, -128, 127)


# LiteRT computes the integer forms of all but the middle ones wrongly, or aborts.
@pytest.mark.parametrize("exponent", [-130, -40, -12, 0, 7, 8, 12, 21])
def test_ratios_of_scales(exponent: int) -> None:
    ratio = 2.0**exponent
    scale, out = (0.03, 0.03 / ratio) if exponent > -100 else (1e-37, 0.1)

    def model(x, y):
        x = fake_quantize(x * (scale / 0.03), scale)
        y = fake_quantize(y * (scale / 0.03), scale)
        z = fake_quantize(Y, 0.04)
        results = [x + y, x - y, x * z, x, torch.mean(x, (2, 3), keepdim=True)]
        results.append(torch.nn.functional.leaky_relu(x, 0.3))
        return [fake_quantize(result, out) for result in results]

    check_steps(convert_module(model, X, Y), [X, Y], model(X, Y), step=out)


@pytest.mark.parametrize("function", [operator.add, operator.mul])
def test_ordinary_scales_stay_integers(function) -> None:
    def model(x, y):
        return fake_quantize(function(fake_quantize(x, 0.03), fake_quantize(y, 0.02)), 0.05)

    operators = convert_module(model, X, Y).operators
    assert operators["DEQUANTIZE"] == 1, operators
