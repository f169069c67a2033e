"""Types of single inputs and outputs, and inputs that the file takes unnormalised."""

import subprocess

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import nn

import tinyml
from conversion import random_input, run_all
from tinyml import Error, TFLiteConverter, _core
from tinyml.__main__ import find_tool


def quantize(x, scale=0.02, zero_point=-5):
    return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, -128, 127)


class TwoInputs(nn.Module):
    """Quantized inputs and outputs; the second input also holds 16 bits."""

    def forward(self, image, gain):
        wide = torch.fake_quantize_per_tensor_affine(gain, 1e-4, 0, -32768, 32767)
        return quantize(quantize(image) * 2.0, 0.04), wide


def _types(result):
    interpreter = Interpreter(model_content=result.to_bytes())
    signature = interpreter.get_signature_runner()
    details = signature.get_input_details() | signature.get_output_details()
    return {name: np.dtype(detail["dtype"]).name for name, detail in details.items()}


def _inputs():
    return random_input(1, 3, 4, 4), random_input(1, 8)


def test_every_input_and_output_has_a_type_of_its_own():
    graph = tinyml.trace(TwoInputs(), _inputs())
    result = _core.convert(
        graph,
        boundary_types={"image": "uint8", "gain": "int16", "output_0": "int8"},
    )
    assert _types(result) == {
        "image": "uint8",
        "gain": "int16",
        "output_0": "int8",
        "output_1": "float32",
    }
    for error in run_all(result, _inputs(), TwoInputs()(*_inputs())):
        assert error.max_abs <= 0.041, error


def test_types_as_a_list(tmp_path):
    path = tmp_path / "model.tflite"
    TFLiteConverter(
        TwoInputs(),
        _inputs(),
        path,
        quantize_input_output_type=["int8", None, "uint8", "int16"],
        verify=True,
    ).convert()
    runner = Interpreter(model_path=str(path)).get_signature_runner()
    inputs = {name: np.dtype(d["dtype"]).name for name, d in runner.get_input_details().items()}
    assert inputs == {"image": "int8", "gain": "float32"}
    with pytest.raises(Error, match="2 inputs and 2 outputs"):
        TFLiteConverter(TwoInputs(), _inputs(), path, quantize_input_output_type=["int8"]).convert()


def test_problems_are_named():
    graph = tinyml.trace(TwoInputs(), _inputs())
    with pytest.raises(Error, match="no input or output 'picture'") as caught:
        _core.convert(graph, boundary_types={"picture": "uint8"})
    assert "image, gain" in str(caught.value)
    with pytest.raises(Error, match="'gain' cannot be INT8: its FakeQuant makes it INT16"):
        _core.convert(graph, boundary_types={"gain": "int8"})
    with pytest.raises(Error, match="no input 'picture' to normalise"):
        _core.convert(graph, input_statistics={"picture": ([0.0], [1.0])})
    with pytest.raises(Error, match="5 values for 3 channels"):
        _core.convert(graph, input_statistics={"image": ([0.0] * 5, [1.0])})
    with pytest.raises(Error, match="std of the input 'image' is 0"):
        _core.convert(graph, input_statistics={"image": ([0.0], [0.0])})


class Network(nn.Module):
    def __init__(self, quantized):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.quantized = quantized

    def forward(self, image):
        if not self.quantized:
            return torch.relu(self.conv(image))
        weight = torch.fake_quantize_per_tensor_affine(self.conv.weight, 0.004, 0, -127, 127)
        image = quantize(image, 1 / 64, 0)
        y = nn.functional.conv2d(image, weight, self.conv.bias, 1, 1)
        return quantize(torch.relu(y), 0.02, -128)


def test_normalisation_goes_into_the_first_layer():
    """Where the convolution pads nothing, nothing of it is left in a float file."""
    torch.manual_seed(0)
    model, x = nn.Conv2d(3, 8, 3, stride=2), random_input(1, 3, 8, 8)
    mean, std = [123.7, 116.3, 103.5], [58.4, 57.1, 57.4]
    graph = tinyml.trace(model, (x,))
    result = _core.convert(graph, input_statistics={"input": (mean, std)})
    assert result.operators == {"CONV_2D": 1}
    raw = x * torch.tensor(std).reshape(-1, 1, 1) + torch.tensor(mean).reshape(-1, 1, 1)
    with torch.no_grad():
        for error in run_all(result, [raw], [model(x)]):
            assert error.relative <= 1e-4, error


def test_command_line(tmp_path):
    path, out = tmp_path / "model.pt2", tmp_path / "model.tflite"
    tinyml.trace(Network(True), (random_input(1, 3, 8, 8),)).save(path)
    arguments = ["--io", "image=uint8", "--input-statistics", "image=128,64", "--quiet"]
    command = [find_tool(), "convert", str(path), "-o", str(out)]
    subprocess.run([*command, *arguments], check=True)
    details = Interpreter(model_path=str(out)).get_input_details()[0]
    assert details["dtype"] == np.uint8
    assert details["quantization"] == (1 / 64, 128)
    bad = subprocess.run([*command, "--input-statistics", "image=1"], capture_output=True)
    assert bad.returncode == 1
    assert b"does not name an input with its mean and std" in bad.stderr


STATISTICS = {
    "integer": ((128.0, 64.0), "uint8"),
    "between": ((127.5, 64.0), "uint8"),
    "per_channel": (([123.7, 116.3, 103.5], [58.4, 57.1, 57.4]), "uint8"),
    "one_std": (([123.7, 116.3, 103.5], 64.0), "uint8"),
    "signed": ((128.0, 64.0), "int8"),
    "float": (([123.7, 116.3, 103.5], [58.4, 57.1, 57.4]), "float32"),
}


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("name", STATISTICS)
def test_the_file_takes_pixels(name, quantized, tmp_path):
    statistics, kind = STATISTICS[name]
    torch.manual_seed(0)
    path = tmp_path / "model.tflite"
    report = TFLiteConverter(
        Network(quantized),
        random_input(1, 3, 8, 8),
        path,
        quantize_input_output_type={"image": kind},
        input_statistics=statistics,
        verify=True,
        tolerance=30 if quantized or kind != "float32" else 1e-4,
    ).convert()
    detail = Interpreter(model_path=str(path)).get_input_details()[0]
    assert np.dtype(detail["dtype"]).name == kind
    if name in ("integer", "signed"):  # nothing but scale and zero point is left
        assert detail["quantization"] == (1 / 64, 128 if kind == "uint8" else 0)
        assert not {"SUB", "MUL", "ADD"} & set(report.operators)
        assert name == "integer" or "QUANTIZE" not in report.operators or not quantized
    if name == "between":
        assert detail["quantization"] == (1 / 64, 128)
        assert report.operators["SUB"] == 1
