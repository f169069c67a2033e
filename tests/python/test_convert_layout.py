"""How many TRANSPOSEs stay in a file, and that what was moved around them computes the same."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import tinyml
from conversion import check_conversion, convert_module, outputs_of, random_input, run_all
from tinyml import PostQuantizer, _core


def transposes(result) -> int:
    return result.operators.get("TRANSPOSE", 0)


class Attention(nn.Module):
    """As vision transformers write it: one linear layer for q, k and v of all heads."""

    def __init__(self, width: int = 24, heads: int = 3) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm(x)).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
        return x + self.out(y)


class PatchesToTokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 4, 4)
        self.layers = nn.Sequential(Attention(), Attention())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(self.patches(x).flatten(2).transpose(1, 2))


class Unfolded(nn.Module):
    """MobileViT: tokens are the pixels at the same place of all patches."""

    def __init__(self, channels: int = 24, patch: int = 2) -> None:
        super().__init__()
        self.before, self.after = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)
        self.layer, self.patch = Attention(channels), patch

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.before(x)
        batch, channels, height, width = x.shape
        p, rows, columns = self.patch, height // self.patch, width // self.patch
        y = x.reshape(batch * channels * rows, p, columns, p).transpose(1, 2)
        y = y.reshape(batch, channels, rows * columns, p * p).transpose(1, 3)
        y = self.layer(y.reshape(batch * p * p, rows * columns, channels))
        y = y.view(batch, p * p, rows * columns, channels).transpose(1, 3)
        y = y.reshape(batch * channels * rows, columns, p, p).transpose(1, 2)
        return self.after(y.reshape(batch, channels, height, width))


class Windows(nn.Module):
    """Swin: attention inside of windows, shifted."""

    def __init__(self, channels: int = 24, window: int = 4) -> None:
        super().__init__()
        self.layer, self.window = Attention(channels), window

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, height, width, channels = x.shape
        w = self.window
        x = torch.roll(x, (-1, -1), (1, 2))
        x = x.view(batch, height // w, w, width // w, w, channels).permute(0, 1, 3, 2, 4, 5)
        x = self.layer(x.reshape(-1, w * w, channels))
        x = x.view(batch, height // w, width // w, w, w, channels).permute(0, 1, 3, 2, 4, 5)
        return torch.roll(x.reshape(batch, height, width, channels), (1, 1), (1, 2))


@pytest.mark.parametrize(
    ("module", "shape", "most"),
    [
        (PatchesToTokens(), (1, 3, 16, 16), 4),
        (Attention(), (2, 5, 24), 2),
        (Unfolded(), (1, 24, 8, 8), 4),
        (Windows(), (1, 8, 8, 24), 4),
    ],
    ids=["patches", "attention", "unfold", "windows"],
)
def test_transformers_keep_few_transposes(module, shape, most) -> None:
    result = check_conversion(module, random_input(*shape))
    assert transposes(result) <= most


def test_integers_are_moved_rather_than_floats(tmp_path) -> None:
    x = random_input(1, 19, 24)
    module = PostQuantizer(Attention().eval(), x, tmp_path).calibrate([x])
    assert transposes(_core.convert(tinyml.trace(module, x))) == 2


def shuffled(x: torch.Tensor, groups: int) -> torch.Tensor:
    batch, channels, height, width = x.shape
    x = x.view(batch, groups, channels // groups, height, width).transpose(1, 2)
    return x.reshape(batch, channels, height, width)


class Shuffles(nn.Module):
    """Units of ShuffleNet V2 on a number of channels whose halves are odd, then everything."""

    def __init__(self, channels: int = 20, units: int = 4, groups: int = 2) -> None:
        super().__init__()
        half = channels // 2
        self.stem = nn.Conv2d(3, channels, 3)
        self.groups = groups
        self.units = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(half, half, 1),
                nn.ReLU(),
                nn.Conv2d(half, half, 3, 1, 1, groups=half),
                nn.Conv2d(half, half, 1),
                nn.ReLU(),
            )
            for _ in range(units)
        )
        self.depthwise = nn.Conv2d(channels, 2 * channels, 3, groups=channels)
        self.pool, self.last = nn.MaxPool2d(2), nn.Conv2d(2 * channels, 6, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for unit in self.units:
            kept, used = x.chunk(2, 1)
            x = shuffled(torch.cat((kept, unit(used)), 1), self.groups)
        return self.last(self.pool(torch.sigmoid(self.depthwise(x))))


@pytest.mark.parametrize("groups", [2, 4, 5])
def test_shuffles_go_into_the_weights(groups: int) -> None:
    result = check_conversion(Shuffles(groups=groups), random_input(1, 3, 12, 12))
    operators = result.operators
    assert transposes(result) == 0
    assert "GATHER" not in operators


def test_shuffles_of_integers_go_into_the_weights(tmp_path) -> None:
    torch.manual_seed(0)
    x = random_input(1, 3, 50, 50)
    model = PostQuantizer(Shuffles(channels=24), x, work_dir=str(tmp_path)).calibrate([x])
    result = convert_module(model, x)
    assert "TRANSPOSE" not in result.operators
    assert "GATHER" not in result.operators
    with torch.no_grad():
        expected = outputs_of(model.eval()(x))
    for error in run_all(result, [x], expected, ("xnnpack", "builtin", "reference")):
        assert error.relative <= 0.03, error  # A few steps, carried on.


def test_affine_maps_around_layers_go_into_the_weights() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Sequential(nn.Conv1d(3, 6, 3), nn.BatchNorm1d(6), nn.ReLU())
            self.before = nn.BatchNorm1d(6)
            self.grouped = nn.Conv1d(6, 4, 3, groups=2)
            self.norm, self.linear = nn.LayerNorm(4), nn.Linear(4, 5)

        def forward(self, x):
            y = self.grouped(self.before(F.avg_pool1d(self.line(x), 2)))
            return self.linear(self.norm(y.transpose(1, 2)))

    model = Model()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    result = check_conversion(model, random_input(2, 3, 20))
    # What the layer norm itself computes: the square, the scaling, and epsilon.
    assert (result.operators["MUL"], result.operators["ADD"]) == (2, 1)
    assert "RELU" not in result.operators


def test_last_shuffle_before_an_output_is_stored_by_its_producers() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 12, 3)

        def forward(self, x):
            return shuffled(F.relu(self.conv(x)), 3)

    result = check_conversion(Model(), random_input(1, 3, 8, 8))
    assert set(result.operators) == {"CONV_2D"}


def test_shuffles_of_values_that_others_read_stay() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 12, 3)

        def forward(self, x):
            y = self.conv(x)
            return torch.softmax(y, 1), shuffled(y, 3)

    result = check_conversion(Model(), random_input(1, 3, 8, 8))
    assert transposes(result) == 1
    assert "GATHER" not in result.operators


@pytest.mark.parametrize("layer", [nn.PixelShuffle(2), nn.PixelUnshuffle(2), nn.ChannelShuffle(4)])
def test_orders_of_pixel_shuffles_go_into_the_weights(layer: nn.Module) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), layer, nn.LazyConv2d(5, 1), nn.ReLU6(), nn.LazyConv2d(5, 3)
    )
    x = random_input(1, 3, 10, 10)
    model(x)
    result = check_conversion(model, x)
    assert transposes(result) == 0
    assert "GATHER" not in result.operators


def test_what_stays_is_reported_with_its_reason() -> None:
    class Model(nn.Module):
        def forward(self, x):
            return x.transpose(1, 2) + 1

    result = check_conversion(Model(), random_input(2, 3, 5))
    (kept,) = result.transposes
    assert list(kept.shape) == [2, 5, 3]
    assert "output 'add_1'" in kept.reason
