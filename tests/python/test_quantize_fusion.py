"""What becomes one integer operator: layers with batch norms and activations, sums and products
with activations, pads; batch norms that stand alone; frozen statistics."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conversion import convert_module, run_all
from tinyml import DeQuantizer, PostQuantizer, QATQuantizer
from tinyml import nn as qnn


class Call(nn.Module):
    def __init__(self, first, last):
        super().__init__()
        self.first = first
        self.last = last

    def forward(self, x):
        return self.last(self.first(x))


class Two(nn.Module):
    """A function of two layers' results."""

    def __init__(self, function):
        super().__init__()
        self.a = nn.Conv2d(4, 4, 1)
        self.b = nn.Conv2d(4, 4, 1)
        self.function = function

    def forward(self, x):
        return self.function(self.a(x), self.b(x))


def stack(*layers):
    return nn.Sequential(*layers)


IMAGE, SEQUENCE, ROWS, VOLUME = (2, 4, 8, 8), (2, 4, 16), (5, 4), (2, 4, 6, 7, 8)
# name -> (model, shape, the fused class, operators in the file besides those that move data)
CASES = {
    "conv1d": (
        lambda: stack(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.ReLU()),
        SEQUENCE,
        "ConvBn1d",
        1,
    ),
    "conv2d": (
        lambda: stack(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU6()),
        IMAGE,
        "ConvBn2d",
        1,
    ),
    "conv2d_grouped": (
        lambda: stack(nn.Conv2d(4, 8, 3, groups=4, bias=False), nn.BatchNorm2d(8)),
        IMAGE,
        "ConvBn2d",
        1,
    ),
    "linear": (lambda: stack(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU()), ROWS, "LinearBn1d", 1),
    "transposed": (
        lambda: stack(nn.ConvTranspose2d(4, 6, 2, stride=2), nn.BatchNorm2d(6), nn.ReLU()),
        IMAGE,
        "ConvTransposeBn2d",
        None,
    ),
    "conv2d_dilated": (
        lambda: stack(nn.Conv2d(4, 6, 3, dilation=2, stride=2), nn.BatchNorm2d(6), nn.ReLU()),
        IMAGE,
        "ConvBn2d",
        1,
    ),
    "conv3d": (
        lambda: stack(
            nn.Conv3d(4, 6, (3, 3, 2), stride=(2, 1, 1), padding=1), nn.BatchNorm3d(6), nn.ReLU()
        ),
        VOLUME,
        "ConvBn3d",
        1,
    ),
    "conv3d_grouped": (
        lambda: stack(
            nn.Conv3d(4, 8, 3, groups=2, dilation=(2, 1, 1), bias=False), nn.BatchNorm3d(8)
        ),
        VOLUME,
        "ConvBn3d",
        None,
    ),
    "transposed1d": (
        lambda: stack(nn.ConvTranspose1d(4, 6, 4, stride=2, padding=1), nn.BatchNorm1d(6)),
        SEQUENCE,
        "ConvTransposeBn1d",
        None,
    ),
    "transposed_depthwise": (
        lambda: stack(
            nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1, groups=4), nn.BatchNorm2d(4), nn.ReLU()
        ),
        IMAGE,
        "ConvTransposeBn2d",
        None,
    ),
    "not_affine": (
        lambda: stack(nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6, affine=False)),
        IMAGE,
        "ConvBn2d",
        1,
    ),
    "pad_conv": (
        lambda: stack(nn.ZeroPad2d(1), nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU()),
        IMAGE,
        "ConvBn2d",
        1,
    ),
    "lone_norm": (lambda: stack(nn.BatchNorm2d(4), nn.ReLU()), IMAGE, "BatchNorm2d", None),
    "add_relu": (lambda: Two(lambda a, b: F.relu(a + b)), IMAGE, "QuantConv2d", 3),
    "add_relu6": (lambda: Two(lambda a, b: F.relu6(a + b)), IMAGE, "QuantConv2d", 3),
    "mul_relu": (lambda: Two(lambda a, b: F.relu(a * b)), IMAGE, "QuantConv2d", 3),
    "sub_relu": (lambda: Two(lambda a, b: F.relu(a - b)), IMAGE, "QuantConv2d", 3),
}
MOVES = {
    "RESHAPE",
    "TRANSPOSE",
    "QUANTIZE",
    "DEQUANTIZE",
    "PAD",
    "PADV2",
    "SLICE",
    "SPLIT",
    "CONCATENATION",
    "STRIDED_SLICE",
}


def make(name):
    torch.manual_seed(0)
    build, shape, _, _ = CASES[name]
    model = build()
    for _ in range(3):  # statistics that are not 0 and 1
        model(torch.randn(shape))
    for module in model.modules():
        if getattr(module, "affine", False):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return model.eval(), shape


@pytest.mark.parametrize("name", CASES)
def test_one_operator_each_and_the_file_agrees(name, tmp_path):
    model, shape = make(name)
    _, _, fused, operators = CASES[name]
    batches = [torch.randn(shape) for _ in range(4)]
    quantizer = PostQuantizer(model, batches[0], tmp_path)
    module = quantizer.calibrate(batches)
    assert not quantizer.report.float_operators, str(quantizer.report)
    assert fused in [type(m).__name__ for m in module.modules()]
    # One FakeQuant for each operator's result and one for the input.
    activations = [m for m in module.modules() if isinstance(m, qnn.FakeQuantize)]
    assert len(activations) == 2 if not name.endswith(("relu", "relu6")) else 4
    with torch.no_grad():
        expected, simulated = model(batches[0]), module(batches[0])
    step = activations[-1].scale.item()
    assert (expected - simulated).abs().max() < 12 * step
    result = convert_module(module, batches[0])
    counted = sum(n for op, n in result.operators.items() if op not in MOVES)
    assert operators is None or counted == operators, result.operators
    error = run_all(result, [batches[0]], [simulated], kernels=("xnnpack",))[0]
    assert error.max_abs <= 1.01 * step


@pytest.mark.parametrize("name", [name for name in CASES if "Bn" in CASES[name][2]])
def test_statistics_follow_until_they_are_frozen(name, tmp_path):
    model, shape = make(name)
    module = QATQuantizer(model, torch.randn(shape), tmp_path).quantize()
    norm = next(m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
    weight = next(p for n, p in module.named_parameters() if n.endswith("weight") and p.dim() > 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    def step():
        statistics, before = norm.running_mean.clone(), weight.detach().clone()
        optimizer.zero_grad()
        module(torch.randn(shape) + 1).square().mean().backward()
        optimizer.step()
        assert not torch.equal(weight, before)
        return not torch.equal(norm.running_mean, statistics)

    assert step()
    qnn.freeze_bn(module)
    assert not step()
    module.eval()
    module.train()
    assert not step()  # still
    qnn.unfreeze_bn(module)
    assert step()


@pytest.mark.parametrize("name", [name for name in CASES if "Bn" in CASES[name][2]])
def test_training_normalizes_with_the_batch(name, tmp_path):
    """With rounding off, the fused layer in training is batch norm in training."""
    model, shape = make(name)
    module = QATQuantizer(model, torch.randn(shape), tmp_path).quantize()
    qnn.set_fake_quant(module, False)
    qnn.set_observers(module, False)
    x = torch.randn(shape)
    model.train()
    assert torch.allclose(module(x), model(x), atol=1e-4)
    fused = next(m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
    plain = next(m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
    assert torch.allclose(fused.running_var, plain.running_var, atol=1e-4)


class Twice(nn.Module):
    """A layer, its batch norm and its activation, called twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        return F.relu(self.bn(self.conv(x)))


def test_a_layer_that_is_called_twice(tmp_path):
    torch.manual_seed(0)
    model = Twice()
    batches = [torch.randn(IMAGE) for _ in range(4)]
    model(batches[0])
    module = PostQuantizer(model.eval(), batches[0], tmp_path).calibrate(batches)
    assert type(module.conv).__name__ == "ConvBn2d"
    with torch.no_grad():
        expected, simulated = model(batches[0]), module(batches[0])
    assert torch.allclose(simulated, expected, atol=0.1)
    result = convert_module(module, batches[0])
    assert result.operators["CONV_2D"] == 2
    assert "MUL" not in result.operators
    assert "DEPTHWISE_CONV_2D" not in result.operators
    error = run_all(result, [batches[0]], [simulated], kernels=("xnnpack",))[0]
    step = next(m for m in module.modules() if isinstance(m, qnn.FakeQuantize)).scale.item()
    assert error.max_abs <= 2.01 * step
    back = DeQuantizer(module, batches[0], tmp_path).dequantize()
    assert set(back.state_dict()) == set(model.state_dict())
    # In training both calls move the statistics.
    trained = QATQuantizer(model, batches[0], tmp_path / "qat").quantize()
    qnn.set_fake_quant(trained, False)
    model.train()
    assert torch.allclose(trained(batches[1]), model(batches[1]), atol=1e-4)
    assert torch.allclose(trained.conv.bn.running_var, model.bn.running_var, atol=1e-5)
