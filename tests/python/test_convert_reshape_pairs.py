"""What stands between two RESHAPEs is computed in the shape around them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conversion import check_conversion, random_input
from test_convert_dynamic import check_dynamic


def quantize(x, scale=0.05, zero_point=3):
    return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, -128, 127)


class Norm(nn.Module):
    """Sub-spectral normalization (Chang et al. 2021): statistics of each channel in each band."""

    def __init__(self, channels, bands, quantized=False):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels * bands)
        self.bands, self.round = bands, quantize if quantized else nn.Identity()
        with torch.no_grad():
            for tensor in (self.norm.weight, self.norm.bias, self.norm.running_mean):
                tensor.copy_(torch.linspace(-1, 1.5, len(tensor)))

    def forward(self, x):
        x = self.round(self.conv(x))
        batch, channels, high, wide = x.shape
        x = x.view(batch, channels * self.bands, high // self.bands, wide)
        x = self.round(self.norm(x))
        return F.relu(x.view(batch, channels, high, wide))


@pytest.mark.parametrize("images", [1, 2])
def test_bands_of_channels(images):
    result = check_conversion(Norm(4, 3).eval(), random_input(images, 3, 12, 6))
    counts = dict(result.operators)
    assert counts.pop("PAD", 0) <= 1
    assert counts == {"CONV_2D": 1, "MUL": 1, "ADD": 1}


def test_bands_of_integers():
    x = random_input(1, 3, 12, 6)
    result = check_conversion(Norm(4, 3, quantized=True).eval(), x, tolerance=0.02)
    assert not {"RESHAPE", "TRANSPOSE"} & set(result.operators)


def test_bands_of_any_number_of_images():
    runs = [(random_input(images, 3, 12, 6),) for images in (2, 1, 5)]
    result = check_dynamic(Norm(4, 3), *runs, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    assert not {"RESHAPE", "TRANSPOSE"} & set(result.operators)


class Between(nn.Module):
    def __init__(self, function, shape, result=None):
        super().__init__()
        self.function, self.shape, self.result = function, shape, result

    def forward(self, x):
        y = self.function(torch.tanh(x).view(self.shape)).view(self.result or x.shape)
        return torch.exp(y)


FACTORS = torch.linspace(-1, 2, 24)
# What is between the RESHAPEs, shapes of input, of it and of the result, RESHAPEs that remain.
CASES = {
    "scalar": (lambda x: 2 * x.abs() + 1, (2, 12), (4, 6), None, 0),
    "factors": (lambda x: x * FACTORS.view(24, 1), (4, 6, 5), (24, 5), None, 0),
    "split": (lambda x: x - FACTORS[:6], (8, 3, 10), (40, 6), None, 0),
    "merged": (lambda x: x / FACTORS[:4].exp().view(4, 1), (2, 2, 9), (4, 9), (2, 2, 3, 3), 1),
    "prelu": (lambda x: F.prelu(x, FACTORS[:6]), (1, 6, 8), (1, 6, 2, 4), None, 0),
    "softmax": (lambda x: x.softmax(-1), (2, 3, 8), (6, 8), None, 0),
    "softmax of others": (lambda x: x.softmax(-1), (2, 3, 8), (6, 4, 2), None, 2),
    "softmax of the result's": (lambda x: x.softmax(-1), (2, 24), (6, 8), (3, 2, 8), 1),
    "large": (lambda x: x * FACTORS.view(24, 1), (1, 576), (24, 24), None, 2),
    "many axes": (lambda x: x * FACTORS[:8].view(8, 1), (1, 2, 2, 2, 3), (8, 3), None, 2),
}


@pytest.mark.parametrize("name", CASES)
def test_operators_between_reshapes(name):
    function, shape, inner, outer, remain = CASES[name]
    result = check_conversion(Between(function, inner, outer), random_input(*shape))
    assert result.operators.get("RESHAPE", 0) == remain
