"""The commands on .tflite files: info, optimize, verify."""

import importlib.util
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from conversion import random_input
from tflite_files import FileBuilder, options, quantization
from tinyml.__main__ import find_tool

TOOL = find_tool()
pytestmark = pytest.mark.skipif(TOOL is None, reason="the command-line tool is not built")


def run(*arguments: object, code: int = 0, env: dict[str, str] | None = None) -> str:
    result = subprocess.run(
        [TOOL, *map(str, arguments)], capture_output=True, text=True, env=env, check=False
    )
    assert result.returncode == code, result.stderr
    return result.stdout + result.stderr


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, image):
        return {"features": torch.relu(self.conv(image)), "size": image.mean()}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(0)
    program = torch.export.export(Net().eval(), (random_input(1, 3, 8, 6),))
    torch.export.save(program, folder / "model.pt2")
    run("convert", folder / "model.pt2", "-o", folder / "model.tflite")
    return folder


def litert() -> str:
    origin = importlib.util.find_spec("ai_edge_litert").origin
    return str(Path(origin).parent / "libLiteRt.so")


def test_info_describes_a_file(files):
    text = run("info", files / "model.tflite")
    assert "signature serving_default: (image) -> (features, size)" in text
    assert "FLOAT32 [1, 8, 6, 3]" in text
    assert "5,184" in text  # 8 * 6 * 4 * 27
    assert "1  CONV_2D" in text
    assert "CONV_2D" in run("info", files / "model.tflite", "--layers")
    run("info", files / "model.tflite", "--dot", code=2)


def test_optimize_reports_before_and_after(files, tmp_path):
    m = FileBuilder()
    x = m.input([1, 4])
    y, z = m.tensor([4, 1]), m.tensor([1, 4])
    m.op("RESHAPE", [x, m.constant(np.array([4, 1], np.int32))], [y])
    m.op("TRANSPOSE", [y, m.constant(np.array([1, 0], np.int32))], [z])
    w = m.tensor([1, 4])
    m.op("RELU", [z], [w])
    (tmp_path / "in.tflite").write_bytes(m.finish(w))
    text = run("optimize", tmp_path / "in.tflite", "-o", tmp_path / "out.tflite")
    assert "3 operators" in text
    assert "optimised: 1 operators: 1 RELU" in text
    run("optimize", files / "model.pt2", "-o", tmp_path / "x.tflite", code=2)
    (tmp_path / "text.tflite").write_text("this is no model at all")
    assert "TFL3" in run("optimize", tmp_path / "text.tflite", "-o", tmp_path / "x.tflite", code=1)
    assert not (tmp_path / "x.tflite").exists()


def test_verify_finds_what_the_runtime_does_not(files, tmp_path):
    run("verify", files / "model.tflite")
    m = FileBuilder()
    x = m.input([1, 4], np.int8, quantization=quantization(0.5))
    y = m.tensor([4, 1], np.int8, quantization=quantization(0.25))
    given = options("ReshapeOptions", newShape=[4, 1])
    m.op("RESHAPE", [x, m.constant(np.array([4, 1], np.int32))], [y], given)
    (tmp_path / "bad.tflite").write_bytes(m.finish(y))
    assert "same scale" in run("verify", tmp_path / "bad.tflite", code=1)


def test_verify_compares_the_numbers(files, tmp_path):
    arguments = ("--against", files / "model.pt2", "--litert", litert())
    text = run("verify", files / "model.tflite", *arguments)
    assert "output 'features': largest error" in text
    np.save(tmp_path / "image.npy", random_input(1, 3, 8, 6).numpy())
    run("verify", files / "model.tflite", *arguments, "--inputs", tmp_path / "image.npy")
    contents = bytearray((files / "model.tflite").read_bytes())
    weights = torch.export.load(files / "model.pt2").state_dict["conv.weight"]
    stored = weights.permute(0, 2, 3, 1).contiguous().detach().numpy().tobytes()
    at = bytes(contents).index(stored)
    contents[at : at + 4] = np.float32(3).tobytes()
    (tmp_path / "other.tflite").write_bytes(contents)
    assert "out of tolerance" in run("verify", tmp_path / "other.tflite", *arguments, code=1)


def test_a_missing_runtime_is_explained(files):
    arguments = ("verify", files / "model.tflite", "--against", files / "model.pt2")
    text = run(*arguments, "--litert", "/nowhere/libLiteRt.so", code=1)
    assert "pip install ai-edge-litert" in text


def test_familiar_options(files, tmp_path):
    path = tmp_path / "m.tflite"
    convert = ("convert", files / "model.pt2", "-o", path)
    run(*convert, "--input-transpose", "false", "--output-transpose", "none,none")
    assert "FLOAT32 [1, 3, 8, 6]" in run("info", path)
    run(*convert, "--preserve-tensors", "--map-bilstm-to-lstm", "--max-transpose-dims", "3")
    assert "conv" in run("info", path)
    assert "true, false or none" in run(*convert, "--input-transpose", "nhwc", code=1)
    run(*convert, "--float16-quantization", "--precision", "dynamic_range", code=1)
