"""Options of the converter under the names that users of other converters know."""

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import nn

import tinyml
from conversion import random_input
from tflite_files import unpack
from tinyml import Error, TFLiteConverter
from tinyml.options import NEEDLESS


class Two(nn.Module):
    """Two images in, an image and a vector out."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(3, 4, 1)
        self.act = nn.ReLU()

    def forward(self, left, right):
        y = self.act(self.first(left) + self.second(right))
        return y, y.mean((2, 3))


INPUTS = (random_input(1, 3, 8, 6), random_input(1, 3, 8, 6, seed=1))


def shapes(path):
    interpreter = Interpreter(model_path=str(path))
    return (
        [list(d["shape"]) for d in interpreter.get_input_details()],
        [list(d["shape"]) for d in interpreter.get_output_details()],
    )


def signature(path):
    return Interpreter(model_path=str(path)).get_signature_list()["serving_default"]


def convert(path, model=None, inputs=INPUTS, **options):
    converter = TFLiteConverter(model or Two(), inputs, path, **options)
    return converter.convert()


@pytest.mark.parametrize(
    ("options", "inputs", "output"),
    [
        ({}, "ll", "l"),
        ({"nchw_transpose": False}, "ff", "f"),
        ({"input_transpose": False}, "ff", "l"),
        ({"input_transpose": [True, False]}, "lf", "l"),
        ({"input_transpose": [None, False], "output_transpose": [False, None]}, "lf", "f"),
        ({"input_transpose": [True, True], "nchw_transpose": False}, "ff", "f"),
    ],
)
def test_layout_of_single_inputs_and_outputs(tmp_path, options, inputs, output):
    image = {"l": [1, 8, 6], "f": [1, 3, 8]}
    path = tmp_path / "m.tflite"
    convert(path, verify=True, **options)
    given, made = shapes(path)
    assert [shape[:3] for shape in given] == [image[letter] for letter in inputs]
    assert made == [[1, 8, 6, 4] if output == "l" else [1, 4, 8, 6], [1, 4]]


def test_layout_of_other_ranks_is_asked_for(tmp_path):
    path = tmp_path / "m.tflite"
    sequence = random_input(1, 3, 8)
    convert(
        path, nn.Conv1d(3, 4, 3), sequence, input_transpose=True, output_transpose=True, verify=True
    )
    assert shapes(path) == ([[1, 8, 3]], [[1, 6, 4]])
    with pytest.raises(Error, match="no channels to put last"):
        convert(path, lambda a, b: a + b, (random_input(1, 3),) * 2, input_transpose=[True, None])
    with pytest.raises(Error, match="2 entries for 1 inputs"):
        convert(path, nn.Linear(3, 2), random_input(1, 3), input_transpose=[True, None])
    with pytest.raises(Error, match="takes True, False or None"):
        TFLiteConverter(Two(), INPUTS, path, input_transpose=["nchw"])


class Quantized(nn.Module):
    """Every input and output behind a FakeQuant."""

    def forward(self, left, right):
        y = quantize(torch.relu(quantize(left) + quantize(right)))
        return y, quantize(y.mean((2, 3)))


def quantize(x):
    return torch.fake_quantize_per_tensor_affine(x, 0.05, -3, -128, 127)


def types(path):
    interpreter = Interpreter(model_path=str(path))
    return (
        [np.dtype(d["dtype"]).name for d in interpreter.get_input_details()],
        [np.dtype(d["dtype"]).name for d in interpreter.get_output_details()],
    )


@pytest.mark.parametrize(
    ("options", "inputs", "outputs"),
    [
        ({}, ["float32"] * 2, ["float32"] * 2),
        ({"fuse_quant_dequant": True}, ["int8"] * 2, ["int8"] * 2),
        (
            {"fuse_quant_dequant": True, "quantize_target_type": "uint8"},
            ["uint8"] * 2,
            ["uint8"] * 2,
        ),
        (
            {"fuse_quant_dequant": True, "fuse_input_indices": [1], "fuse_output_indices": []},
            ["float32", "int8"],
            ["float32"] * 2,
        ),
    ],
)
def test_fused_boundaries(tmp_path, options, inputs, outputs):
    path = tmp_path / "m.tflite"
    convert(path, Quantized(), **options)
    assert types(path) == (inputs, outputs)


def test_a_float_model_keeps_its_boundary_when_asked_to_fuse(tmp_path):
    path = tmp_path / "m.tflite"
    report = convert(path, fuse_quant_dequant=True)
    assert types(path) == (["float32"] * 2, ["float32"] * 2)
    assert any("left" in note for note in report.notes)
    with pytest.raises(Error, match="there are 2"):
        convert(path, fuse_input_indices=[2])


def test_needless_options_are_accepted(tmp_path):
    path = tmp_path / "m.tflite"
    first = convert(path).operators
    assert convert(path, **dict.fromkeys(NEEDLESS, True)).operators == first


def test_unknown_options_name_the_nearest(tmp_path):
    with pytest.raises(Error, match="did you mean input_transpose"):
        TFLiteConverter(Two(), INPUTS, tmp_path / "m.tflite", input_transposed=False)
    with pytest.raises(Error, match="enable_mtk_ops"):
        TFLiteConverter(Two(), INPUTS, tmp_path / "m.tflite", enable_mtk_ops=True)
    TFLiteConverter(Two(), INPUTS, tmp_path / "m.tflite", enable_mtk_ops=False)


def test_preserved_tensors_are_pytorchs(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))
    model.eval()
    seen = {}
    for name, module in model.named_children():
        module.register_forward_hook(lambda _, __, y, name=name: seen.__setitem__(name, y))
    path = tmp_path / "m.tflite"
    x = random_input(1, 3, 8, 6)
    convert(path, model, x, preserve_tensors=True, verify=True)
    runner = Interpreter(model_path=str(path)).get_signature_runner("serving_default")
    (name,) = signature(path)["inputs"]
    outputs = runner(**{name: x.permute(0, 2, 3, 1).numpy()})
    assert set(outputs) == {"output", "0", "1", "2"}
    with torch.no_grad():
        model(x)
    for name in ("0", "1", "2"):
        expected = seen[name].permute(0, 2, 3, 1).detach().numpy()
        np.testing.assert_allclose(outputs[name], expected, atol=1e-5)


@pytest.mark.parametrize("rank", [3, 4, 5])
@pytest.mark.parametrize("order", [(0, 2, 4, 1, 3, 5), (5, 3, 1, 4, 2, 0), (1, 0, 3, 2, 5, 4)])
def test_transposes_of_few_dimensions(tmp_path, rank, order):
    class Permute(nn.Module):
        def forward(self, x):
            return x.permute(order) * 2

    path = tmp_path / "m.tflite"
    x = random_input(2, 3, 1, 2, 3, 2)
    convert(path, Permute(), x, max_transpose_dims=rank, verify=True)
    model = unpack(path.read_bytes())
    for operator in model.subgraphs[0].operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode == 39:
            assert len(model.subgraphs[0].tensors[operator.inputs[0]].shape) <= rank


def test_a_plain_function(tmp_path):
    def add(left, right):
        return {"sum": left + right, "parts": (left * 2, right)}

    path = tmp_path / "m.tflite"
    convert(path, add, (random_input(2, 3), random_input(2, 3, seed=1)), verify=True)
    assert signature(path) == {
        "inputs": ["left", "right"],
        "outputs": sorted(["sum", "parts.0", "parts.1"]),
    }


@pytest.mark.parametrize("how", ["script", "trace"])
def test_torchscript(tmp_path, how):
    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.bn = nn.BatchNorm2d(4)

        def forward(self, image, scale: float = 2.0):
            y = self.bn(self.conv(image))
            if y.shape[1] > 3:
                y = y * scale
            return y

    model, x = Branch().eval(), random_input(1, 3, 6, 6)
    script = torch.jit.script(model) if how == "script" else torch.jit.trace(model, x)
    path = tmp_path / "m.tflite"
    report = convert(path, script, x, verify=True)
    assert report.operators == {"CONV_2D": 1}
    assert signature(path) == {"inputs": ["image"], "outputs": ["output"]}
    with torch.no_grad():
        np.testing.assert_allclose(script(x), model(x), atol=1e-6)


def test_what_is_no_model_is_named():
    with pytest.raises(Error, match="not its class"):
        tinyml.trace(Two, INPUTS)
    with pytest.raises(Error, match="dummy_input is missing"):
        TFLiteConverter(lambda x: x + 1)
