"""TFLiteConverter: sources, options, the report, verification."""

import importlib.util

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from models import ZOO
from torch import nn

import tinyml
from conversion import random_input
from tinyml import Error, TFLiteConverter


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, image):
        return torch.relu(self.bn(self.conv(image)))


def _names(path):
    return Interpreter(model_path=str(path)).get_signature_list()["serving_default"]


def test_images_are_channels_last_by_default(tmp_path):
    path = tmp_path / "model.tflite"
    report = TFLiteConverter(Small(), random_input(1, 3, 8, 6), path, verify=True).convert()
    interpreter = Interpreter(model_path=str(path))
    assert list(interpreter.get_input_details()[0]["shape"]) == [1, 8, 6, 3]
    assert list(interpreter.get_output_details()[0]["shape"]) == [1, 8, 6, 4]
    assert report.operators == {"CONV_2D": 1}
    assert report.transposes == []
    assert report.size == path.stat().st_size
    assert report.errors[0].relative < 1e-5
    assert "CONV_2D" in str(report)


def test_the_given_layout_can_be_kept(tmp_path):
    path = tmp_path / "model.tflite"
    report = TFLiteConverter(
        Small(), random_input(1, 3, 8, 6), path, nchw_transpose=False, verify=True
    ).convert()
    interpreter = Interpreter(model_path=str(path))
    assert list(interpreter.get_input_details()[0]["shape"]) == [1, 3, 8, 6]
    assert list(interpreter.get_output_details()[0]["shape"]) == [1, 4, 8, 6]
    assert len(report.transposes) == 2


def test_names_are_the_models(tmp_path):
    path = tmp_path / "model.tflite"
    TFLiteConverter(Small(), random_input(1, 3, 8, 6), path).convert()
    assert _names(path) == {"inputs": ["image"], "outputs": ["output"]}
    TFLiteConverter(Small(), random_input(1, 3, 8, 6), path, output_names=["scores"]).convert()
    assert _names(path)["outputs"] == ["scores"]
    with pytest.raises(Error, match="2 output names"):
        TFLiteConverter(Small(), random_input(1, 3, 8, 6), path, output_names=["a", "b"]).convert()


def test_a_graph_and_an_archive_are_accepted(tmp_path):
    model, x = Small().eval(), random_input(1, 3, 8, 6)
    graph = tinyml.trace(model, (x,))
    first = TFLiteConverter(graph, x, tmp_path / "graph.tflite", verify=True).convert()
    archive = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(model, (x,)), archive)
    second = TFLiteConverter(archive, x, tmp_path / "archive.tflite", verify=True).convert()
    assert first.operators == second.operators == {"CONV_2D": 1}
    assert TFLiteConverter(archive, tflite_path=tmp_path / "other.tflite").convert().errors == []


def test_train_and_eval_mode_are_left_alone(tmp_path):
    model = Small().train()
    model.bn.eval()
    statistics = model.bn.running_mean.clone()
    TFLiteConverter(
        model, random_input(1, 3, 8, 6), tmp_path / "model.tflite", verify=True
    ).convert()
    assert model.training
    assert model.conv.training
    assert not model.bn.training
    assert torch.equal(model.bn.running_mean, statistics)


def test_several_inputs_and_outputs(tmp_path):
    class Several(nn.Module):
        def forward(self, first, second):
            return {"sum": first + second, "parts": (first * 2, None, second.argmax(1))}

    path = tmp_path / "model.tflite"
    inputs = (random_input(2, 3), random_input(2, 3, seed=1))
    report = TFLiteConverter(Several(), inputs, path, verify=True).convert()
    assert len(report.errors) == 3
    assert _names(path)["inputs"] == ["first", "second"]


def test_verification_refuses_what_is_out_of_tolerance(tmp_path):
    with pytest.raises(Error, match="out of tolerance"):
        TFLiteConverter(
            nn.Sequential(nn.Linear(64, 64), nn.GELU()),
            random_input(1, 64),
            tmp_path / "model.tflite",
            verify=True,
            tolerance=1e-12,
        ).convert()
    assert not list(tmp_path.iterdir())


def test_a_missing_runtime_is_explained(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ai_edge_litert" else find(name)
    )
    with pytest.raises(Error, match="pip install ai-edge-litert"):
        TFLiteConverter(
            nn.Linear(2, 2), random_input(1, 2), tmp_path / "model.tflite", verify=True
        ).convert()


def test_every_pass_can_be_looked_at(tmp_path):
    TFLiteConverter(
        Small(),
        random_input(1, 3, 8, 6),
        tmp_path / "model.tflite",
        dump_passes=tmp_path / "passes",
    ).convert()
    names = sorted(entry.name for entry in (tmp_path / "passes").iterdir())
    assert names[0] == "00_lower.txt"
    assert len(names) > 2
    assert "CONV_2D (channels first)" in (tmp_path / "passes" / names[0]).read_text()


def test_the_file_depends_on_the_model_alone(tmp_path):
    entry = ZOO["resnet8"]
    files = []
    for index in range(2):
        path = tmp_path / f"{index}.tflite"
        TFLiteConverter(entry.small(), entry.example_input(), path).convert()
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_outputs_that_are_inputs_or_constants(tmp_path):
    class Odd(nn.Module):
        def forward(self, x):
            return x, torch.ones(2), x + 1

    report = TFLiteConverter(Odd(), random_input(2), tmp_path / "m.tflite", verify=True).convert()
    assert np.isinf(report.errors[0].snr_db)
    assert np.isinf(report.errors[1].snr_db)
