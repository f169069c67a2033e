"""Every network of the zoo, float and int8, against PyTorch on two sets of kernels."""

import numpy as np
import pytest
import torch
from models import ZOO, calibrate_batch_norm
from torch import nn

import tinyml
from conversion import check_conversion, run_all
from tinyml import PostQuantizer, _core
from tinyml.verification import measure_error, run_tflite

SHUFFLED = {"shufflenet_v2"}  # whose channel shuffles keep their TRANSPOSEs
NETWORKS = sorted(set(ZOO) - {"densenet121"})  # densenet_small is the same topology
# Without the larger ones of two that have the same kinds of blocks, to save time.
QUANTIZED = sorted(set(NETWORKS) - {"mobilenet_v1", "mobilenet_v3_large", "resnet50"})

# The network's own operators, without what only moves the boundary to float.
MOBILENET_V2 = {"CONV_2D": 35, "DEPTHWISE_CONV_2D": 17, "ADD": 10, "PAD": 5, "MEAN": 1}
MOBILENET_V2["FULLY_CONNECTED"] = 1


@pytest.mark.parametrize("name", NETWORKS)
def test_float(name):
    entry = ZOO[name]
    result = check_conversion(entry.small(), entry.example_input())
    if name not in SHUFFLED:
        assert result.operators.get("TRANSPOSE", 0) == 0, result.transposes
    assert not result.quantized


def steady(name):
    """A network whose units are mostly in their linear part, as a trained one's are.

    The zoo's random networks amplify any rounding by a decibel a layer.
    """
    entry = ZOO[name]
    model = entry.small()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.bias.add_(1.0)
    return calibrate_batch_norm(model, 0, entry.shape).eval()


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """(module with calibrated FakeQuants, example) of a network by name."""
    made = {}

    def make(name):
        if name not in made:
            entry = ZOO[name]
            folder = tmp_path_factory.mktemp(name)
            x = entry.example_input()
            quantizer = PostQuantizer(steady(name), x, work_dir=folder)
            made[name] = quantizer.calibrate(entry.example_input(seed) for seed in range(2))
        return made[name], ZOO[name].example_input()

    return make


@pytest.mark.parametrize("name", QUANTIZED)
def test_int8(name, quantized):
    model, x = quantized(name)
    # x * sigmoid(x) in INT8 rounds once more, which the random networks amplify.
    result = _core.convert(tinyml.trace(model, (x,)), forms=["-tables", "-linear"])
    assert result.quantized
    if name not in SHUFFLED:
        assert result.operators.get("TRANSPOSE", 0) == 0, result.transposes
    with torch.no_grad():
        expected = [model(x)]
    for error in run_all(result, [x], expected):
        assert error.snr_db >= 20, error  # One tie rounded otherwise, amplified, has been 24.9.


def test_tables_are_as_near_to_the_float_network(quantized):
    """x * sigmoid(x) as INT8 LOGISTIC and MUL, against PyTorch's simulation of the quantization."""
    model, x = quantized("efficientnet_b0")
    result = _core.convert(tinyml.trace(model, (x,)))
    assert result.operators["LOGISTIC"] > 50
    images = [ZOO["efficientnet_b0"].example_input(seed) for seed in range(6)]
    with torch.no_grad():
        truth = torch.cat([steady("efficientnet_b0")(image) for image in images])
        simulated = torch.cat([model(image) for image in images])
    orders = {"input_orders": result.input_orders, "output_orders": result.output_orders}
    actual = [run_tflite(result.to_bytes(), [image.numpy()], **orders)[0] for image in images]
    snr = measure_error("file", truth.numpy(), np.concatenate(actual)).snr_db
    assert snr >= measure_error("simulation", truth.numpy(), simulated.numpy()).snr_db - 1.0


@pytest.mark.parametrize("boundary", ["int8", "uint8"])
def test_integer_inputs_and_outputs(boundary, quantized):
    model, x = quantized("resnet8")
    result = _core.convert(tinyml.trace(model, (x,)), quantize_input_output_type=boundary)
    with torch.no_grad():
        expected = [model(x)]
    for error in run_all(result, [x], expected):
        assert error.snr_db >= 25, error
    if boundary == "int8":
        floats = _core.convert(tinyml.trace(model, (x,)))
        assert sum(result.operators.values()) < sum(floats.operators.values())


def test_mobilenet_v2_has_no_needless_operator(tmp_path):
    entry = ZOO["mobilenet_v2"]
    model, x = entry.build(), entry.example_input()
    assert _core.convert(tinyml.trace(model, (x,))).operators == MOBILENET_V2
    quantized = PostQuantizer(model, x, work_dir=tmp_path).calibrate([x])
    operators = dict(_core.convert(tinyml.trace(quantized, (x,))).operators)
    assert operators.pop("QUANTIZE") == 1
    assert operators.pop("DEQUANTIZE") == 1
    assert operators.pop("RESHAPE") == 1  # the first convolution's columns as channels
    assert operators == MOBILENET_V2
