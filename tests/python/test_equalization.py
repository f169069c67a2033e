"""Cross-layer equalization: the model computes what it did, and its int8 form comes nearer."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import tinyml
from test_cli import export, succeed
from tinyml import PostQuantizer
from tinyml.prune import recalibrate_batch_norm


class Depthwise(nn.Module):
    """A convolution, depthwise and pointwise ones; pooled, flattened, a classifier."""

    def __init__(self, activation=nn.ReLU):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, 2, bias=False), nn.BatchNorm2d(12))
        self.depthwise = nn.Sequential(
            nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False), nn.BatchNorm2d(12)
        )
        self.pointwise = nn.Conv2d(12, 16, 1)
        self.activation = activation()
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Linear(16 * 4, 5)

    def forward(self, x):
        x = self.activation(self.stem(x))
        x = self.activation(self.depthwise(nn.functional.pad(x, (1, 1, 0, 0))))
        x = self.activation(self.pointwise(x))
        return self.classifier(self.pool(x).flatten(1))


class Transposed(nn.Module):
    """Groups, transposed convolutions, two readers of one result, a mean, PReLU and dropout."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 6, 2, 2, groups=2)
        self.prelu = nn.PReLU(6)
        self.left = nn.ConvTranspose2d(6, 8, 3, groups=2, padding=1)
        self.right = nn.Conv2d(6, 8, 3, groups=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Sequential(nn.Linear(8, 7), nn.LeakyReLU(), nn.Dropout(), nn.Linear(7, 3))

    def forward(self, x):
        x = self.prelu(self.up(x))
        x = self.norm(self.left(x)) + self.right(x)
        return self.head(torch.relu(x).mean((2, 3)))


class Tied(nn.Module):
    """The second layer's weight is the first one's too."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, 6)
        self.b = nn.Linear(6, 6)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))


def spread(model, seed=0):
    """Uneven channels everywhere, and statistics as after training."""
    random = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            size = module.num_features
            module.weight.data = torch.exp(2 * torch.randn(size, generator=random))
            module.bias.data = 0.3 * torch.randn(size, generator=random)
            module.running_mean = 0.1 * torch.randn(size, generator=random)
            module.running_var = torch.rand(size, generator=random) + 0.2
        elif isinstance(module, nn.Conv2d | nn.Linear):
            factors = torch.exp(1.5 * torch.randn(module.weight.shape[0], generator=random))
            module.weight.data *= factors.view(-1, *[1] * (module.weight.dim() - 1))
    return model.eval()


def snr(actual, expected):
    return 10 * float(torch.log10((expected**2).sum() / ((actual - expected) ** 2).sum()))


CASES = {
    "depthwise": (
        Depthwise,
        (2, 3, 17, 17),
        [
            ("stem.0", "depthwise.0"),
            ("depthwise.0", "pointwise"),
            ("pointwise", "classifier"),
        ],
    ),
    "transposed": (
        Transposed,
        (2, 4, 5, 5),
        [("up", "left"), ("up", "right"), ("head.0", "head.3")],
    ),
    "relu6": (lambda: Depthwise(nn.ReLU6), (2, 3, 17, 17), []),
    "tied": (Tied, (3, 6), []),
}


@pytest.mark.parametrize("name", CASES)
def test_the_model_computes_what_it_did(name):
    torch.manual_seed(0)
    make, shape, expected = CASES[name]
    model = spread(make())
    x = torch.randn(shape)
    original = copy.deepcopy(model)
    pairs = []
    assert tinyml.cross_layer_equalize(model, x, "cpu", pairs=pairs) is model
    assert sorted(pairs) == sorted(expected)
    changed = any(
        not torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), original.state_dict().values(), strict=True)
    )
    assert changed == bool(expected)
    with torch.no_grad():
        torch.testing.assert_close(model(x), original(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", [2, 3])
def test_int8_with_one_scale_a_weight_comes_nearer(seed, tmp_path):
    torch.manual_seed(seed)
    model = spread(Depthwise(), seed)
    x, held_out = torch.randn(16, 3, 17, 17), torch.randn(16, 3, 17, 17)
    found = []
    for equalize in (False, True):
        config = {"per_tensor": True, "cross_layer_equalization": equalize}
        config["bias_correction"] = False  # makes up for some of the loss
        before = copy.deepcopy(model.state_dict())
        quantizer = PostQuantizer(model, x[:1], tmp_path, config)
        module = quantizer.calibrate(x.split(4))
        assert len(quantizer.equalized) == (3 if equalize else 0)
        for tensor, same in zip(model.state_dict().values(), before.values(), strict=True):
            assert torch.equal(tensor, same)  # the caller's model stays as it is
        with torch.no_grad():
            found.append(snr(module(held_out), model(held_out)))
    assert found[1] > found[0] + 2


def test_command_line(tmp_path):
    torch.manual_seed(2)
    model = spread(Depthwise(), 2)
    x, held_out = torch.randn(16, 3, 17, 17), torch.randn(8, 3, 17, 17)
    export(model, x[:8], tmp_path / "m.pt2")
    np.save(tmp_path / "x.npy", x.numpy())
    found = []
    for equalize in ("false", "true"):
        config, output = tmp_path / "q.yaml", tmp_path / f"{equalize}.pt2"
        config.write_text(
            f"per_tensor: true\nalgorithm: mse\ncross_layer_equalization: {equalize}\n"
        )
        result = succeed(
            "quantize", tmp_path / "m.pt2", "--calibration", tmp_path / "x.npy", "-c", config,
            "-o", output,
        )  # fmt: skip
        assert ("equalized 3 pairs" in result.stderr) == (equalize == "true")
        module = torch.export.load(output).module()
        with torch.no_grad():
            found.append(snr(module(held_out), model(held_out)))
    assert found[1] > found[0] + 2


def test_statistics_measured_anew_before_quantizing(tmp_path):
    """Weights changed after training (averaged, say): the statistics fit them no more."""
    torch.manual_seed(0)
    model, batches = spread(Depthwise(), 5), [torch.randn(16, 3, 17, 17) for _ in range(6)]
    held_out = torch.randn(64, 3, 17, 17)
    with torch.no_grad():
        expected = copy.deepcopy(model).train()(held_out)  # statistics of the data itself
    found = []
    for anew in (False, True):
        if anew:
            assert recalibrate_batch_norm(model, batches) == 2
        module = PostQuantizer(model, held_out[:1], tmp_path).calibrate(batches)
        with torch.no_grad():
            found.append(snr(module(held_out), expected))
    assert found[1] > max(found[0] + 10, 15)


class High(nn.Module):
    """Channels far above zero in front of layers without padding, one of them with a batch norm."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8))
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, bias=False, groups=2), nn.BatchNorm2d(8))
        self.padded = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Linear(8, 4)

    def forward(self, x):
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.last(torch.relu(self.padded(x)).mean((2, 3)))


def test_high_biases_are_absorbed(tmp_path):
    torch.manual_seed(0)
    model, x = High(), torch.randn(64, 3, 9, 9)
    recalibrate_batch_norm(model, [x])
    with torch.no_grad():
        model.first[1].bias[:4] = 20.0
        model.second[1].bias[:4] = 20.0  # read by a layer that pads: stays
    recalibrate_batch_norm(model.eval(), [x])
    config = {"high_bias_absorption": True, "algorithm": "min_max"}
    quantizer = PostQuantizer(model, x[:1], tmp_path, config)
    absorbed = quantizer.calibrate([x])
    assert quantizer.absorbed == 4
    plain = PostQuantizer(model, x[:1], tmp_path, {"algorithm": "min_max"}).calibrate([x])
    with torch.no_grad():
        expected = model(x)
        assert snr(absorbed(x), expected) > snr(plain(x), expected)
        before = copy.deepcopy(model.state_dict())
        tinyml.cross_layer_equalize(model, x[:1], absorb_bias=True)
        assert snr(model(x), expected) > 40  # what lies below three deviations changes
        assert not torch.equal(before["second.1.bias"], model.second[1].bias)
