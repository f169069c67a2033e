"""What is refused, and that a failed conversion leaves nothing behind."""

import pytest
import torch
from torch import nn

import tinyml
from conversion import check_conversion, convert_module, random_input
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


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.cat([x, x * 2], 2),
        lambda x: x.softmax(1),
        lambda x: x.sum((1, 3)),
        lambda x: x.split(1, 1),
    ],
)
def test_more_dimensions_than_the_runtime_takes_are_refused(function):
    with pytest.raises(Error, match=r"7 dimensions.*at most") as caught:
        convert_module(function, random_input(*([2] * 7)))
    assert "return self.function(*inputs)" in str(caught.value)


@pytest.mark.parametrize("rank", [6, 7, 8])
def test_matrix_products_of_many_dimensions(rank):
    x = random_input(*([2] * rank))
    check_conversion(lambda x: x @ x[:1].transpose(-1, -2), x)
    check_conversion(nn.Linear(2, 3), x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 2**40,
        lambda x: torch.where(x > 0, x, torch.iinfo(torch.int64).max),
        lambda x: x.masked_fill(x < 0, torch.iinfo(torch.int64).min),
        lambda x: x + torch.tensor(2**40),
    ],
)
def test_integers_beyond_32_bits_are_refused(function):
    with pytest.raises(Error, match="does not fit into int32"):
        convert_module(function, torch.tensor([1, -2]))


def test_dropout_that_is_on_is_left_out_and_noted(tmp_path):
    class Net(nn.Module):
        def forward(self, x):
            return nn.functional.dropout(x, 0.5) * 2  # training is True by default

    conversion = TFLiteConverter(Net(), random_input(2, 3), tmp_path / "m.tflite").convert()
    assert len(conversion.notes) == 1
    assert "dropout" in conversion.notes[0]
    assert "test_convert_failures.py" in conversion.notes[0]
