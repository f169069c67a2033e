"""What the file computes is what the fake-quantized module computes."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from models import DEPLOYED, ZOO
from torch import nn

import tinyml
from conversion import convert_module
from tinyml import PostQuantizer, QATQuantizer
from tinyml.nn import FakeQuantize
from tinyml.verification import measure_error, run_tflite


def compare(model, result, images, kernels):
    """(shares of integer outputs that are equal and that are at most a step away, SNR in dB)."""
    expected, actual = [], []
    for image in images:
        with torch.no_grad():
            expected.append(model(image).numpy())
        actual += run_tflite(
            result.to_bytes(),
            [image.numpy()],
            input_orders=result.input_orders,
            output_orders=result.output_orders,
            kernels=kernels,
        )
    step = [m for m in model.modules() if isinstance(m, FakeQuantize)][-1].scale.item()
    a, b = np.concatenate(expected), np.concatenate(actual)
    steps = np.abs(a.astype(np.float64) - b) / step
    return (steps < 0.5).mean(), (steps < 1.5).mean(), measure_error("file", a, b).snr_db


def calibrated(name, tmp_path):
    entry = (ZOO | DEPLOYED)[name]
    batches = [entry.example_input(seed) for seed in range(2)]
    config = {"allow_float": True}
    model = PostQuantizer(entry.small(), batches[0], tmp_path, config).calibrate(batches)
    return model, [entry.example_input(seed) for seed in range(100, 104)]


@pytest.mark.parametrize("name", ["resnet8", "ds_cnn", "squeezenet"])
def test_the_module_equals_xnnpack(name, tmp_path):
    model, images = calibrated(name, tmp_path)
    result = convert_module(model, images[0])
    equal, near, _ = compare(model, result, images, "xnnpack")
    assert near == 1
    assert equal >= 0.9  # one tie in a layer may show in several outputs
    assert compare(model, result, images, "reference")[2] >= 33


SIMULATED = [
    ("mobilenet_v1", "reference"),  # plain, 3 in 100 outputs are within a step
    ("mobilenet_v2", "xnnpack"),
    ("mobilenet_v3_small", "reference"),  # products, sums by channel
    ("densenet_small", "reference"),  # lone batch norms, requantized parts
    ("densenet_small", "xnnpack"),
    ("efficientnet_b0", "reference"),  # SiLU
    ("wav2letter", "reference"),
    ("pointnet", "reference"),
]


@pytest.mark.parametrize(("name", "kernels"), SIMULATED)
def test_simulated_kernels_give_the_integers_of_every_layer(name, kernels, tmp_path):
    """Random networks amplify the least difference, so each layer has its own inputs."""
    model, images = calibrated(name, tmp_path)
    file = convert_module(model, images[0]).to_bytes()
    assert tinyml.simulate_kernels(model, images[0], kernels, tflite=file) is model
    found = tinyml.explain(file, model, images, kernels=kernels)
    layers = [layer for layer in found.layers if layer.kernel]
    assert len(layers) >= 0.8 * len(found.layers)
    assert [layer.name for layer in layers if layer.apart] == []
    most = 0.004 if name == "efficientnet_b0" else 0.0005  # one of its gate's 304 integers is a tie
    assert [(x.name, x.unequal) for x in layers if x.unequal > most] == []


# Nothing in them is computed in float, or depends on the order of float32 sums.
@pytest.mark.parametrize("name", ["mobilenet_v1", "densenet_small"])
def test_simulated_reference_kernels_give_the_outputs(name, tmp_path):
    """Without the simulation 3 to 30 in 100 outputs are within a step."""
    model, images = calibrated(name, tmp_path)
    result = convert_module(model, images[0])
    assert compare(model, result, images, "reference")[1] < 0.9
    tinyml.simulate_kernels(model, images[0], "reference", tflite=result.to_bytes())
    assert compare(model, result, images, "reference")[1] >= 0.999


class Window(nn.Module):
    """Kernels with multipliers of their own."""

    def __init__(self, function):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1)
        self.function = function

    def forward(self, x):
        return self.last(self.function(self.first(x)))


FUNCTIONS = {
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "mean": lambda x: x * x.mean((2, 3), keepdim=True),
    "avg_pool": lambda x: F.avg_pool2d(x, 2),
    "avg_pool_of_three": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "resize": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "silu": F.silu,
    "hardswish": F.hardswish,
    "sum": lambda x: sum([x, torch.relu(x)]),
    "parts": lambda x: torch.cat([x.tanh()[:, :4], x[:, 4:], x.relu()], 1)[:, 2:10],
}


@pytest.mark.parametrize("kernels", ["reference", "xnnpack"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_simulated_functions_give_the_file_s_integers(name, kernels, tmp_path):
    torch.manual_seed(0)
    images = [torch.randn(1, 3, 16, 16) for _ in range(6)]
    model = Window(FUNCTIONS[name]).eval()
    config = {"allow_float": True}
    module = PostQuantizer(model, images[0], tmp_path, config).calibrate(images[:4])
    result = convert_module(module, images[0])
    tinyml.simulate_kernels(module, images[0], kernels, tflite=result.to_bytes())
    equal, near, _ = compare(module, result, images, kernels)
    assert near == 1
    assert equal >= 0.998


def test_simulated_kernels_leave_training_and_files_alone(tmp_path):
    model, images = calibrated("densenet_small", tmp_path)
    plain, file = model(images[0]), convert_module(model, images[0]).to_bytes()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    tinyml.simulate_kernels(model, images[0])  # of the file that would be written
    assert not torch.equal(model(images[0]), plain)
    assert convert_module(model, images[0]).to_bytes() == file
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(copy.deepcopy(model)(images[0]), model(images[0]))
    tinyml.simulate_kernels(model, kernels=None)
    assert torch.equal(model(images[0]), plain)
    other = convert_module(nn.Linear(3, 3), torch.randn(1, 3)).to_bytes()
    with pytest.raises(tinyml.Error, match="give the file that was converted from this model"):
        tinyml.simulate_kernels(model, images[0], tflite=other)
    with pytest.raises(tinyml.Error, match="use 'xnnpack' or 'reference'"):
        tinyml.simulate_kernels(model, images[0], "gpu")


class Stack(nn.Module):
    """A batch norm that stands alone behind a pooling that others read too."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.last = nn.Conv2d(16, 4, 1)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.last(torch.cat([torch.relu(self.bn(x)), x], 1))


def test_a_batch_norm_that_stands_alone_runs_on_integers(tmp_path):
    torch.manual_seed(0)
    model, x = Stack().train(), torch.randn(4, 3, 16, 16)
    for _ in range(20):
        model(torch.randn(8, 3, 16, 16))
    quantized = PostQuantizer(model.eval(), x, work_dir=tmp_path).calibrate([x])
    result = convert_module(quantized, x)
    assert result.operators["DEPTHWISE_CONV_2D"] == 1
    assert result.operators["DEQUANTIZE"] == 1  # of the output
    equal, near, _ = compare(quantized, result, [x], "xnnpack")
    assert near >= 0.999
    assert equal >= 0.97


def test_rounding_biases_after_training(tmp_path):
    torch.manual_seed(0)
    model, x = Stack(), torch.randn(4, 3, 16, 16)
    module = QATQuantizer(model, x, work_dir=tmp_path).quantize()
    optimizer = torch.optim.SGD(module.parameters(), 1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        module(x).square().mean().backward()
        optimizer.step()
    before = module.conv.bias.detach().clone()
    assert tinyml.round_biases(module, x) is module
    step = module.fq_x.scale * module.conv.weight_fq.scale
    assert ((module.conv.bias - before).abs() <= 0.51 * step).all()
    steps = module.conv.bias / step
    assert (steps - steps.round()).abs().max() < 1e-3
    again = module.conv.bias.detach().clone()
    tinyml.round_biases(module, x)
    assert torch.allclose(module.conv.bias, again, rtol=1e-6)
