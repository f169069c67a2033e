"""`tinyml evaluate`: accuracy of a .pt2 and of a .tflite, counted as PyTorch counts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import tinyml
from tinyml.__main__ import find_tool


def tinyml_evaluate(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [find_tool(), "-q", "evaluate", *map(str, args)]
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of images, 40 examples, as many labels of which about half are right."""
    path = tmp_path_factory.mktemp("evaluate")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 7)).eval()
    images = torch.randn(40, 3, 8, 8)
    with torch.no_grad():
        scores = model(images)
    labels = torch.where(torch.arange(40) % 2 == 0, scores.argmax(1), torch.arange(40) % 7)
    np.save(path / "images.npy", images.numpy())
    np.save(path / "last.npy", images.permute(0, 2, 3, 1).contiguous().numpy())
    np.save(path / "labels.npy", labels.numpy())
    tinyml.trace(model, images[:2]).save(path / "model.pt2")
    tinyml.TFLiteConverter(model, images[:1], path / "model.tflite").convert()
    order = scores.argsort(1, descending=True)
    for metric, k in (("top1", 1), ("top5", 5)):
        hits = int((order[:, :k] == labels[:, None]).any(1).sum())
        (path / metric).write_text(f"{metric} {hits / 40:.4f} ({hits} of 40 examples)\n")
    return path


@pytest.mark.parametrize("metric", ["top1", "top5"])
@pytest.mark.parametrize(
    ("model", "inputs"),
    [("model.pt2", "images.npy"), ("model.tflite", "images.npy"), ("model.tflite", "last.npy")],
)
def test_accuracy(folder: Path, model: str, inputs: str, metric: str) -> None:
    options = ("--inputs", folder / inputs, "--labels", folder / "labels.npy", "--metric", metric)
    done = tinyml_evaluate(folder / model, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (folder / metric).read_text()


def test_at_least(folder: Path) -> None:
    options = ("--inputs", folder / "images.npy", "--labels", folder / "labels.npy")
    done = tinyml_evaluate(folder / "model.pt2", *options, "--at-least", "0.99")
    assert done.returncode == 1
    assert "less than 0.99" in done.stderr
    assert tinyml_evaluate(folder / "model.pt2", *options, "--at-least", "0.3").returncode == 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(40), "labels are one integer for each example"),
        (np.full(40, 7), "label 7 of example 0 is not one of 7 classes"),
        (np.zeros(3, np.int64), "more examples than the 3 labels"),
    ],
    ids=["float", "class", "few"],
)
def test_bad_labels(folder: Path, tmp_path: Path, labels: np.ndarray, message: str) -> None:
    np.save(tmp_path / "labels.npy", labels)
    options = ("--inputs", folder / "images.npy", "--labels", tmp_path / "labels.npy")
    done = tinyml_evaluate(folder / "model.pt2", *options)
    assert done.returncode == 1
    assert message in done.stderr


def test_images_of_another_size(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((4, 3, 9, 9), np.float32))
    options = ("--inputs", tmp_path / "images.npy", "--labels", folder / "labels.npy")
    for model in ("model.pt2", "model.tflite"):
        done = tinyml_evaluate(folder / model, *options)
        assert done.returncode == 1
        assert "[4, 3, 9, 9]" in done.stderr
