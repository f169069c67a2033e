"""What goes into a model and comes out of it; regions without gradients and with autocast."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

import tinyml
from conversion import check_conversion, convert_module, load_generated, random_input


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


@dataclass
class Boxes:
    scores: torch.Tensor
    corners: torch.Tensor | None


class Unregistered(NamedTuple):
    left: torch.Tensor
    right: list[torch.Tensor]


@dataclass
class Empty:
    nothing: torch.Tensor | None = None


torch.export.register_dataclass(Boxes, serialized_type_name="models.Boxes")
torch.export.register_dataclass(Empty, serialized_type_name="Empty")
pytree._register_namedtuple(Pair, serialized_type_name="Pair")

A, B = random_input(2, 3), random_input(2, 3, seed=1)

STRUCTURES = {
    "several_with_none": lambda a, b: (a + b, None, a - b, a),
    "dictionary": lambda a, b: {"sum": a + b, "nested": {"difference": a - b, "none": None}},
    "nested_lists": lambda a, b: [a + b, [a - b, (a * b,)], {"x": a.sum()}],
    "named_tuple": lambda a, b: Pair(a + b, a - b),
    "dataclass": lambda a, b: Boxes(a * b, None),
    "dataclasses": lambda a, b: [Boxes(a * b, a), {"x": Boxes(b, None)}, Empty()],
    "unregistered_named_tuple": lambda a, b: (Unregistered(a + b, [a - b]), a),
    "sorted": lambda a, b: torch.sort(a + b, dim=1, descending=True),
    "input_returned": lambda a, b: (a, b + 1),
    "only_inputs": lambda a, b: (b, a),
    "same_twice": lambda a, b: (lambda y: (y, y, y + 1))(a + b),
    "same_input_twice": lambda a, b: (a, a),
    "unused_input": lambda a, b: b * 2,
    "constant_output": lambda a, b: (a + 1, torch.ones(3)),
    "view_of_input": lambda a, b: (a.view(3, 2), b.t()),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_structure(name):
    check_conversion(STRUCTURES[name], A, B)


class Grouped(nn.Module):
    """Inputs in a list and a dictionary, given by keyword."""

    def forward(self, images, extra):
        return images[0] + extra["scale"] * images[1]


def test_structured_inputs():
    graph = tinyml.trace(Grouped(), ([A, B], {"scale": torch.tensor(2.0)}))
    result = tinyml._core.convert(graph)
    assert len(result.input_names) == 3


def test_inputs_of_classes():
    """A dataclass, a registered and an unregistered named tuple; the model sees its own classes."""

    def model(boxes, pair, other, *, extra):
        assert isinstance(other, Unregistered)
        return boxes.scores + boxes.corners * pair.first, other.left - other.right[0] + extra.left

    keywords = {"extra": Unregistered(B, [A])}
    args = (Boxes(A, B), Pair(B, A), Unregistered(A, [B]))
    graph = tinyml.trace(model, args, kwargs=keywords)
    expected = model(*args, **keywords)
    arrays = [t.numpy() for t in (A, B, B, A, A, B, B, A)]
    for actual, wanted in zip(graph.evaluate(*arrays), expected, strict=True):
        np.testing.assert_allclose(actual, wanted)
    generated = load_generated(graph)
    for actual, wanted in zip(generated(*args, **keywords), expected, strict=True):
        torch.testing.assert_close(actual, wanted)


class Keywords(nn.Module):
    """Arguments that may be None, flags, keyword-only and nested ones."""

    def forward(self, x, mask=None, *, scale=None, extra=None, flag=True):
        y = x if mask is None else x * mask
        y = y - 2 * (scale if scale is not None else 1)
        y = y if extra is None else y + extra["a"] * extra["b"][0]
        return y + 1 if flag else y


NESTED = {"b": [A + B], "a": 2 * B}
CALLS = {
    "positional": (A, B),
    "none": (A, None),
    "one": A,
    "keywords": {"scale": B, "x": A},  # in another order than forward's
    "keyword_none": {"x": A, "mask": None, "scale": B},
    "flag": {"x": A, "flag": False, "mask": B},
    "nested": {"x": A, "extra": NESTED, "scale": B},
}


@pytest.mark.parametrize("name", CALLS)
def test_ways_to_give_arguments(name, tmp_path):
    """The file is verified against the model called with the same arguments."""
    path = tmp_path / "model.tflite"
    report = tinyml.TFLiteConverter(Keywords(), CALLS[name], path, verify=True).convert()
    assert report.errors[0].relative <= 1e-6


BAD_CALLS = {
    "unknown": ({"y": A}, "missing a required argument: 'x'"),
    "missing": ((), "missing a required argument: 'x'"),
    "too_many": ((A, B, A), "too many positional arguments"),
    "numpy": (A.numpy(), "torch.from_numpy"),
    "missing_key": ({"x": A, "extra": {"a": A}}, "KeyError: 'b'"),
    "text": ("x", "unsupported operand"),
    "shapes": ((A, torch.ones(5)), "x \\* mask"),
    "only_numbers": ((3,), "returns a number"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_wrong_arguments_are_named(name, tmp_path):
    arguments, message = BAD_CALLS[name]
    with pytest.raises(tinyml.Error, match=message):
        tinyml.TFLiteConverter(Keywords(), arguments, tmp_path / "model.tflite").convert()
    assert not list(tmp_path.iterdir())


def test_generated_dataclasses_can_be_captured_again():
    graph = tinyml.trace(lambda a: Boxes(a * 2, None), A)
    again = tinyml.trace(load_generated(graph), A)
    np.testing.assert_allclose(again.evaluate(A.numpy())[0], 2 * A.numpy())


def test_an_unregistered_dataclass_is_refused_with_the_way_out():
    @dataclass
    class Own:
        x: torch.Tensor

    with pytest.raises(tinyml.Error, match="register_dataclass"):
        tinyml.trace(lambda a: Own(a + 1), A)


class Regions(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, a, b):
        with torch.no_grad():
            hidden = self.linear(a + b).relu()
        with torch.enable_grad():
            hidden = hidden * 2
        return self.head(hidden)


def test_regions_without_gradients():
    check_conversion(Regions(), A, B)


class Autocast(Regions):
    def forward(self, a, b):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = self.linear(a + b).relu()
            with torch.autocast("cpu", enabled=False):
                hidden = hidden.float() * 2
        return self.head(hidden)


def test_autocast_regions():
    result = check_conversion(Autocast(), A, B, tolerance=0.02, generated=False)
    assert "CAST" not in result.operators  # every float is float32 in the file


def test_a_number_returned_is_refused():
    with pytest.raises(tinyml.Error, match="returns a number"):
        convert_module(lambda a: (a + 1, 3), A)
