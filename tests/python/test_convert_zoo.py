"""Every network of the zoo, float and int8, against PyTorch on two sets of kernels."""

import pytest
import torch
from models import ZOO, calibrate_batch_norm
from torch import nn

import tinyml
from conversion import check_conversion, run_all
from tinyml import PostQuantizer, _core

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
    result = _core.convert(tinyml.trace(model, (x,)))
    assert result.quantized
    if name not in SHUFFLED:
        assert result.operators.get("TRANSPOSE", 0) == 0, result.transposes
    with torch.no_grad():
        expected = [model(x)]
    for error in run_all(result, [x], expected):
        assert error.snr_db >= 25, error


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
    assert operators == MOBILENET_V2
