"""What is refused, and that a failed conversion leaves nothing behind."""

import pytest
import torch
from torch import nn

import tinyml
from conversion import random_input
from tinyml import Error, TFLiteConverter


class Unsupported(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)

    def forward(self, x):
        y = torch.linalg.inv(self.first(x))
        return torch.special.i0(y).mode(-1).values + torch.nonzero(x > 0).sum()


def test_every_unsupported_operator_is_listed_with_its_line(tmp_path):
    with pytest.raises(Error) as caught:
        TFLiteConverter(Unsupported(), random_input(4, 4), tmp_path / "model.tflite").convert()
    message = str(caught.value)
    for name in ("linalg_inv", "i0", "mode", "nonzero"):
        assert name in message
    assert "test_convert_failures.py" in message
    assert "torch.linalg.inv(self.first(x))" in message
    assert len(caught.value.diagnostics) >= 4
    assert all(problem.remedy for problem in caught.value.diagnostics)
    assert not list(tmp_path.iterdir())


def test_an_existing_file_survives_a_failed_conversion(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"precious")
    with pytest.raises(Error):
        TFLiteConverter(Unsupported(), random_input(4, 4), path).convert()
    assert path.read_bytes() == b"precious"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.tflite"]


def test_state_is_refused():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x):
            self.count.add_(1)
            return x + self.count

    with pytest.raises(Error, match="count"):
        tinyml._core.convert(tinyml.trace(Counter(), (random_input(2),)))


def test_integer_boundary_needs_a_quantized_model(tmp_path):
    with pytest.raises(Error):
        TFLiteConverter(
            nn.Linear(4, 4),
            random_input(1, 4),
            tmp_path / "model.tflite",
            quantize_input_output_type="int8",
        ).convert()
    with pytest.raises(Error, match="int4"):
        TFLiteConverter(
            nn.Linear(4, 4),
            random_input(1, 4),
            tmp_path / "model.tflite",
            quantize_input_output_type="int4",
        ).convert()
    assert not list(tmp_path.iterdir())


def test_arguments_that_are_missing_are_named():
    with pytest.raises(Error, match="dummy_input"):
        TFLiteConverter(nn.Linear(4, 4))
    with pytest.raises(Error, match="dummy_input"):
        TFLiteConverter("model.pt2", verify=True)


def test_what_can_be_converted_is_listed():
    operators = tinyml.lowerable_operators()
    assert operators == sorted(operators)
    assert "aten.conv2d.default" in operators
