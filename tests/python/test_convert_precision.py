"""float16 weights and dynamic range: legal, small and near PyTorch on every kernel set."""

from functools import lru_cache

import pytest
import torch
from torch import nn

import tinyml
from conversion import random_input, run_all
from tinyml import Error, TFLiteConverter, _core

ALL_KERNELS = ("xnnpack", "builtin", "reference")


class Tied(nn.Module):
    """An embedding whose table is the last layer's weight as well."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(60, 32)
        self.body = nn.Linear(32, 32)

    def forward(self, ids):
        hidden = torch.tanh(self.body(self.table(ids)))
        return nn.functional.linear(hidden, self.table.weight)


class Steps(nn.Module):
    """A recurrent cell: three steps read one weight."""

    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(48, 48)

    def forward(self, x):
        for _ in range(3):
            x = torch.tanh(self.cell(x))
        return x


def _ids():
    return torch.arange(10).reshape(2, 5) * 5


# name -> module, input
MODELS = {
    "conv": (lambda: nn.Conv2d(16, 16, 3, padding=1), lambda: random_input(1, 16, 8, 8)),
    "pointwise": (lambda: nn.Conv2d(32, 48, 1, bias=False), lambda: random_input(1, 32, 6, 6)),
    "depthwise": (lambda: nn.Conv2d(64, 64, 5, groups=64), lambda: random_input(1, 64, 8, 8)),
    "grouped": (lambda: nn.Conv2d(32, 32, 3, groups=4), lambda: random_input(1, 32, 7, 7)),
    "conv1d": (lambda: nn.Conv1d(16, 24, 5, padding=2), lambda: random_input(1, 16, 20)),
    "conv3d": (lambda: nn.Conv3d(4, 16, 3), lambda: random_input(1, 4, 5, 5, 5)),
    "transposed": (lambda: nn.ConvTranspose2d(16, 16, 3, 2), lambda: random_input(1, 16, 5, 5)),
    "linear": (lambda: nn.Linear(64, 48), lambda: random_input(3, 64)),
    "linear_3d": (lambda: nn.Linear(64, 48, bias=False), lambda: random_input(2, 3, 64)),
    "embedding": (lambda: nn.Embedding(60, 32), _ids),
    "tied": (Tied, _ids),
    "steps": (Steps, lambda: random_input(2, 48)),
}


@lru_cache
def _trace(name):
    build, make_input = MODELS[name]
    torch.manual_seed(0)
    model, x = build().eval(), make_input()
    with torch.no_grad():
        return tinyml.trace(model, (x,)), x, [model(x)]


def _convert(name, **options):
    graph, x, expected = _trace(name)
    return _core.convert(graph, **options), _core.convert(graph), x, expected


@pytest.mark.parametrize("name", MODELS)
def test_float16(name):
    result, full, x, expected = _convert(name, precision="float16")
    for error in run_all(result, [x], expected, ALL_KERNELS):
        assert error.snr_db >= 60, error
    assert result.notes == []
    weights = sum(p.numel() for p in MODELS[name][0]().parameters()) * 4
    saved = len(full.to_bytes()) - len(result.to_bytes())
    assert saved >= 0.5 * weights - 1000  # a DEQUANTIZE and a tensor each
    assert not result.quantized


@pytest.mark.parametrize("name", MODELS)
def test_dynamic_range(name):
    for per_channel in (True, False):
        result, full, x, expected = _convert(
            name, precision="dynamic_range", per_channel_weights=per_channel
        )
        for error in run_all(result, [x], expected, ALL_KERNELS):
            assert error.snr_db >= 33, error
        assert len(result.to_bytes()) < 0.85 * len(full.to_bytes())


def test_weights_of_several_operators_are_one_tensor():
    """int8 weights that the steps of a cell, or a table and a layer, share are stored once."""
    steps, full, *_ = _convert("steps", precision="dynamic_range")
    assert steps.operators["FULLY_CONNECTED"] == 3
    assert len(full.to_bytes()) - len(steps.to_bytes()) > 0.6 * 48 * 48 * 4
    tied, full, *_ = _convert("tied", precision="dynamic_range")
    assert tied.operators["EMBEDDING_LOOKUP"] == 1
    assert len(full.to_bytes()) - len(tied.to_bytes()) > 0.5 * (60 * 32 + 32 * 32) * 4


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(32, 32)

    def forward(self, x):
        return self.rnn(x)[0]


def test_recurrent_layers():
    """Every form of an LSTM, its weights once in the file."""
    torch.manual_seed(0)
    model, x = Tagger().eval(), random_input(4, 1, 32)
    graph = tinyml.trace(model, (x,))
    with torch.no_grad():
        expected = [model(x)]
    for form in ("unrolled", "fused", "while"):
        full = len(_core.convert(graph, recurrent=form).to_bytes())
        for precision, snr, saved in (("float16", 60, 0.45), ("dynamic_range", 38, 0.7)):
            result = _core.convert(graph, recurrent=form, precision=precision)
            for error in run_all(result, [x], expected, ALL_KERNELS):
                assert error.snr_db >= snr, (form, error)
            if form == "fused" and precision == "dynamic_range":  # its kernel reads integers
                assert "DEQUANTIZE" not in result.operators
            assert full - len(result.to_bytes()) >= saved * 4 * 8 * 32 * 32 - 2500, form


def test_what_float16_cannot_hold_stays_float32():
    model, x = nn.Linear(64, 64, bias=False), random_input(2, 64)
    for factor, reason in ((1e6, "beyond FLOAT16"), (1e-6, "below FLOAT16")):
        torch.nn.init.normal_(model.weight)
        model.weight.data *= factor
        result = _core.convert(tinyml.trace(model, (x,)), precision="float16")
        assert len(result.notes) == 1
        assert reason in result.notes[0]
        assert "weight" in result.notes[0]
        with torch.no_grad():
            for error in run_all(result, [x], [model(x)], ALL_KERNELS):
                assert error.snr_db >= 100, error


def test_small_constants_stay_float():
    model, x = nn.Conv2d(3, 4, 3), random_input(1, 3, 8, 8)
    plain = _core.convert(tinyml.trace(model, (x,)))
    for precision in ("float16", "dynamic_range"):
        result = _core.convert(tinyml.trace(model, (x,)), precision=precision)
        assert result.operators == plain.operators
        assert result.to_bytes() == plain.to_bytes()


def test_fake_quantized_weights_keep_their_integers():
    """Dynamic range of a layer whose weights have a FakeQuant: the grid is that FakeQuant's."""

    class Grid(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 48)

        def forward(self, x):
            weight = torch.fake_quantize_per_tensor_affine(self.linear.weight, 0.01, 0, -127, 127)
            return nn.functional.linear(x, weight, self.linear.bias)

    model, x = Grid(), random_input(3, 64)
    result = _core.convert(tinyml.trace(model, (x,)), precision="dynamic_range")
    assert result.operators == {"FULLY_CONNECTED": 1}
    with torch.no_grad():
        for error in run_all(result, [x], [model(x)], ALL_KERNELS):
            assert error.snr_db >= 38, error  # what quantizing the input leaves


def test_converter_options(tmp_path):
    model, x = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16)), random_input(4, 64)
    sizes = {}
    for name, options in {
        "float32": {},
        "float16": {"float16_quantization": True},
        "dynamic": {"hybrid_quantization_from_float": True, "hybrid_per_channel": False},
        "symmetric": {"precision": "dynamic_range", "hybrid_asymmetric_inputs": False},
    }.items():
        path = tmp_path / f"{name}.tflite"
        report = TFLiteConverter(model, x, path, verify=True, **options).convert()
        assert report.notes == []
        sizes[name] = report.size
    assert sizes["float16"] < 0.62 * sizes["float32"]
    assert sizes["dynamic"] < 0.36 * sizes["float32"]
    with pytest.raises(Error, match="one precision"):
        TFLiteConverter(model, x, precision="float16", hybrid_quantization_from_float=True)
    with pytest.raises(Error, match="FakeQuants"):
        TFLiteConverter(model, x, precision="int8")


@pytest.mark.parametrize("asymmetric", [True, False])
@pytest.mark.parametrize("settings", [{}, {"bidirectional": True}, {"proj_size": 24}])
def test_fused_layers_of_integers(settings, asymmetric):
    torch.manual_seed(0)
    model, x = nn.LSTM(48, 48, **settings).eval(), random_input(6, 2, 48)
    options = {"recurrent": "fused", "precision": "dynamic_range"}
    result = _core.convert(
        tinyml.trace(model, (x,)), asymmetric_quantize_inputs=asymmetric, **options
    )
    assert "DEQUANTIZE" not in result.operators
    with torch.no_grad():
        sequence, states = model(x)
    for error in run_all(result, [x], [sequence, *states], ALL_KERNELS):
        assert error.snr_db >= 35, error
