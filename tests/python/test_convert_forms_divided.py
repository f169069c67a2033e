"""Forms that divide a convolution: one for each part that is read, and Winograd's products."""

import pytest
import torch
from torch import nn

from conversion import convert_module, random_input
from test_convert_forms import Quantized, compare


def test_split():
    conv, x = nn.Conv2d(6, 8, 3), random_input(1, 6, 8, 8)

    class Chunks(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            a, b = self.layer(x).chunk(2, 1)
            return torch.tanh(a), b * b

    usual, formed = compare(Chunks(conv), "split", x)
    assert usual["CONV_2D"] == 1
    assert formed["CONV_2D"] == 2
    assert "SPLIT" not in formed


class Parts(nn.Module):
    """Disjoint channels of one convolution: 29 + 14 + (8 + 7) of 58, four tiles of 16."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        y = self.layer(x)
        middle = y[:, 15:29].amax((2, 3))
        return y[:, 29:].mean((2, 3)), middle, y[:, 8:15].amax((2, 3)), y[:, :8].sum((2, 3))


@pytest.mark.parametrize("quantized", [False, True])
def test_parts_read_by_slices(quantized):
    conv, x = nn.Conv2d(6, 58, 1), random_input(1, 6, 5, 6)
    model = Parts(Quantized(conv) if quantized else conv)
    usual, formed = compare(model, "split", x, step=3.0 if quantized else None)
    assert (usual["CONV_2D"], usual["SLICE"]) == (1, 4)
    assert (formed["CONV_2D"], formed["SLICE"]) == (3, 2)


def test_parts_that_overlap_or_are_read_whole_stay():
    conv, x = nn.Conv2d(6, 32, 1), random_input(1, 6, 5, 6)

    class Overlapping(Parts):
        def forward(self, x):
            y = self.layer(x)
            return y[:, :17].amax((2, 3)), y[:, 15:].amax((2, 3))

    class Whole(Parts):
        def forward(self, x):
            y = self.layer(x)
            return y[:, :16].amax((2, 3)), y[:, 16:].amax((2, 3)), torch.tanh(y)

    for model, kept in ((Overlapping(conv), ("SLICE", 2)), (Whole(conv), ("SPLIT", 1))):
        result = convert_module(model.eval(), x, forms=["+split"])
        assert result.operators["CONV_2D"] == 1
        assert result.operators[kept[0]] == kept[1]


@pytest.mark.parametrize(
    ("images", "height", "width", "padding"),
    [(1, 6, 8, 1), (2, 9, 10, 1), (1, 10, 6, 0), (1, 8, 10, (0, 2))],
)
def test_winograd(images, height, width, padding):
    """Even and odd sizes, all paddings, several images; the activation stays fused."""
    conv = nn.Conv2d(128, 130, 3, padding=padding)
    x = random_input(images, 128, height, width)
    usual, formed = compare(nn.Sequential(conv, nn.ReLU6()), "winograd", x)
    assert usual["CONV_2D"] == 1
    assert "CONV_2D" not in formed
    assert "RELU6" not in formed
    assert formed["BATCH_MATMUL"] == 1


def test_winograd_only_on_request_and_where_it_pays():
    x = random_input(1, 128, 7, 7)
    convolutions = {
        "narrow": nn.Conv2d(128, 64, 3, padding=1),
        "strided": nn.Conv2d(128, 128, 3, 2, 1),
        "dilated": nn.Conv2d(128, 128, 3, padding=2, dilation=2),
        "grouped": nn.Conv2d(128, 128, 3, padding=1, groups=2),
        "small": nn.Conv2d(128, 128, 3),  # 5 x 5: 36 outputs for 25
    }
    wide = nn.Conv2d(128, 128, 3, padding=1)
    convolutions["integers"] = Quantized(wide)
    for name, conv in convolutions.items():
        kept = convert_module(conv.eval(), x, forms=["+winograd"]).operators
        assert kept["CONV_2D"] == 1, name
        assert "BATCH_MATMUL" not in kept, name
    assert convert_module(wide, x).operators["CONV_2D"] == 1
    assert convert_module(wide, x, forms=["+winograd"]).operators["BATCH_MATMUL"] == 1
