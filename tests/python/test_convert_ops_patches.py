"""Patches: unfold, fold, and the shuffles."""

import pytest
import torch.nn.functional as F
from torch import nn

from conversion import check_conversion, random_input

CASES = {
    "unfold": (nn.Unfold(3), (2, 3, 6, 7)),
    "unfold_all": (
        nn.Unfold((3, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1)),
        (2, 3, 6, 7),
    ),
    "unfold_tiles": (nn.Unfold(2, stride=2), (2, 3, 6, 8)),
    "unfold_unbatched": (nn.Unfold(2), (3, 6, 8)),
    "unfold_pixels": (nn.Unfold(1), (1, 3, 6, 8)),
    "fold": (nn.Fold((6, 7), 3), (2, 27, 20)),
    "fold_tiles": (nn.Fold((6, 8), 2, stride=2), (2, 12, 12)),
    "fold_all": (
        nn.Fold((6, 7), (3, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1)),
        (2, 18, 15),
    ),
    "fold_unbatched": (nn.Fold((6, 7), 3), (27, 20)),
    "fold_leaves_an_edge": (nn.Fold((7, 8), 3, stride=2), (2, 27, 9)),
    "both": (
        lambda x: F.fold(F.unfold(x, 3, padding=1) * 2, (6, 7), 3, padding=1),
        (1, 2, 6, 7),
    ),
    "pixel_shuffle_unbatched": (nn.PixelShuffle(3), (18, 4, 5)),
    "pixel_shuffle_5d": (nn.PixelShuffle(2), (2, 3, 8, 4, 5)),
    "pixel_unshuffle_5d": (nn.PixelUnshuffle(2), (2, 2, 3, 4, 6)),
    "channel_shuffle_3d": (nn.ChannelShuffle(3), (2, 6, 4)),
    "channel_shuffle_5d": (nn.ChannelShuffle(2), (2, 6, 4, 2, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_patches(name):
    model, shape = CASES[name]
    check_conversion(model, random_input(*shape))


def test_tiles_are_one_transpose():
    result = check_conversion(nn.Unfold(4, stride=4), random_input(1, 3, 8, 8))
    assert set(result.operators) <= {"RESHAPE", "TRANSPOSE"}
    assert result.operators["TRANSPOSE"] == 1
