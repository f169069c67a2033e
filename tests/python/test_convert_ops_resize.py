"""Resizing in every mode, by size and by factor, and sampling at given positions."""

import pytest
import torch.nn.functional as F
from torch import nn

from conversion import check_conversion, random_input

TARGETS = {
    "twice": {"scale_factor": 2},
    "fraction": {"scale_factor": 1.7},
    "smaller": {"scale_factor": 0.6},
    "recomputed": {"scale_factor": 1.7, "recompute_scale_factor": True},
}
SIZES = {1: [(11,), (3,)], 2: [(7, 11), (3, 2), (1, 1)], 3: [(5, 7, 11), (2, 3, 2)]}
INPUTS = {1: (6,), 2: (6, 8), 3: (4, 6, 8)}
MODES = {
    1: ["nearest", "nearest-exact", "linear", "area"],
    2: ["nearest", "nearest-exact", "bilinear", "bicubic", "area"],
    3: ["nearest", "nearest-exact", "trilinear", "area"],
}
CASES = [
    (dims, mode, corners)
    for dims, modes in MODES.items()
    for mode in modes
    for corners in ((False, True) if "linear" in mode or "cubic" in mode else (None,))
]


@pytest.mark.parametrize(("dims", "mode", "corners"), CASES)
def test_resize(dims, mode, corners):
    x = random_input(2, 3, *INPUTS[dims])
    for target in [*TARGETS.values(), *({"size": size} for size in SIZES[dims])]:
        check_conversion(
            lambda x, target=target: F.interpolate(x, mode=mode, align_corners=corners, **target),
            x,
            generated="size" in target,
        )


def test_factors_of_their_own():
    for mode in ["nearest", "bilinear", "bicubic"]:
        check_conversion(
            lambda x, mode=mode: F.interpolate(x, scale_factor=(2, 0.5), mode=mode),
            random_input(1, 3, 6, 8),
        )


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialiasing(mode, corners):
    for target in ({"size": (3, 5)}, {"size": (9, 11)}, {"scale_factor": 0.6}):
        check_conversion(
            lambda x, target=target: F.interpolate(
                x, mode=mode, align_corners=corners, antialias=True, **target
            ),
            random_input(2, 3, 6, 8),
        )


def test_bicubic_between_convolutions_needs_no_transpose():
    up = nn.Upsample(scale_factor=2, mode="bicubic")
    result = check_conversion(
        nn.Sequential(nn.Conv2d(3, 4, 3), up, nn.Conv2d(4, 3, 3)), random_input(1, 3, 8, 8)
    )
    assert result.operators["BATCH_MATMUL"] == 2
    assert "TRANSPOSE" not in result.operators


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample(mode, padding, corners):
    def sample(x, grid):
        return F.grid_sample(x, grid, mode, padding, corners)

    for batch in (1, 2):
        grid = 0.9 * random_input(batch, 5, 6, 2, seed=5)
        check_conversion(sample, random_input(batch, 3, 7, 8), grid, tolerance=5e-4)
    if mode != "bicubic":
        grid = 0.9 * random_input(2, 3, 4, 5, 3, seed=5)
        check_conversion(sample, random_input(2, 3, 4, 6, 7), grid, tolerance=5e-4)


@pytest.mark.parametrize("corners", [False, True])
def test_affine_grid(corners):
    for shape in ((2, 3, 5, 6), (2, 3, 4, 5, 6), (1, 3, 1, 4)):
        dims = len(shape) - 2
        theta = random_input(shape[0], dims, dims + 1)
        check_conversion(lambda t, shape=shape: F.affine_grid(t, shape, corners), theta)


def test_spatial_transformer():
    def transform(x, theta):
        return F.grid_sample(x, F.affine_grid(theta, x.shape, False), align_corners=False)

    check_conversion(transform, random_input(2, 3, 7, 8), random_input(2, 2, 3), tolerance=5e-4)
