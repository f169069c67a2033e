"""The target decides the forms, and the report says what it does not accept."""

import pytest
import torch
from torch import nn

import tinyml
from conversion import convert_module, random_input
from tinyml import TFLiteConverter, _core


def test_unknown_target_is_named():
    with pytest.raises(tinyml.Error, match="litert-builtin"):
        TFLiteConverter(nn.ReLU(), random_input(1, 4), target="gpu")
    with pytest.raises(tinyml.Error, match="litert-builtin"):
        convert_module(nn.ReLU(), random_input(1, 4), target="gpu")


@pytest.mark.parametrize("target", _core.target_names())
def test_report(target, tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU())
    path = tmp_path / "model.tflite"
    made = TFLiteConverter(model, torch.zeros(1, 3, 8, 8), path, target=target).convert()
    lacking = {issue.split()[0] for issue in made.target_issues}
    expected = {"tflite-micro": {"GELU"}, "ethos-u": {"CONV_2D", "GELU"}}
    assert lacking == expected.get(target, set())
    assert (f"not on {target}: GELU" in str(made)) == bool(lacking)
