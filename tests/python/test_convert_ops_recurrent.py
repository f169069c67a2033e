"""LSTM, GRU, RNN layers and cells in every form, on every kernel set."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import pack_padded_sequence

import tinyml
from conversion import check_conversion, convert_module, outputs_of, random_input
from tinyml.verification import _make_interpreter

KERNELS = ("xnnpack", "builtin", "reference")
FORMS = ("unrolled", "while", "fused")


def _seeded(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-0.7, 0.7, generator=generator)
    return module.eval()


class Constant(nn.Module):
    """A layer that starts from a constant state."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("start", random_input(1, 2, 4, seed=5))

    def forward(self, x):
        state = (self.start, self.start * 0.5) if isinstance(self.layer, nn.LSTM) else self.start
        return self.layer(x, state)


class Given(nn.Module):
    """States as inputs, and the final ones as outputs."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x, h, c=None):
        return self.layer(x, h if c is None else (h, c))


class Last(nn.Module):
    """Only the last hidden state is used."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x):
        state = self.layer(x)[1]
        return (state[0] if isinstance(state, tuple) else state)[-1]


LAYERS = {
    "lstm": (nn.LSTM(5, 4), (6, 1, 5)),
    "lstm_one_step": (nn.LSTM(5, 4), (1, 2, 5)),
    "lstm_batch": (nn.LSTM(5, 4, bias=False), (4, 3, 5)),
    "lstm_batch_first": (nn.LSTM(5, 4, batch_first=True), (3, 6, 5)),
    "lstm_unbatched": (nn.LSTM(5, 4), (6, 5)),
    "lstm_deep": (nn.LSTM(5, 4, 2, bidirectional=True, batch_first=True, dropout=0.3), (2, 4, 5)),
    "lstm_projected": (nn.LSTM(5, 6, 2, proj_size=3, bidirectional=True), (3, 2, 5)),
    "lstm_projected_plain": (nn.LSTM(5, 6, proj_size=3, bias=False, batch_first=True), (1, 4, 5)),
    "lstm_constant": (Constant(nn.LSTM(5, 4)), (3, 2, 5)),
    "lstm_constant_batch_first": (Constant(nn.LSTM(5, 4, batch_first=True)), (2, 3, 5)),
    "lstm_last": (Last(nn.LSTM(5, 4, 2, batch_first=True)), (2, 7, 5)),
    "gru": (nn.GRU(5, 4), (6, 1, 5)),
    "gru_batch": (nn.GRU(5, 4, bias=False), (4, 3, 5)),
    "gru_unbatched": (nn.GRU(5, 4, batch_first=True), (6, 5)),
    "gru_deep": (nn.GRU(5, 4, 2, bidirectional=True, batch_first=True), (2, 4, 5)),
    "gru_constant": (Constant(nn.GRU(5, 4)), (3, 2, 5)),
    "gru_last": (Last(nn.GRU(5, 4, bidirectional=True)), (3, 2, 5)),
    "rnn_tanh": (nn.RNN(5, 4, 2), (4, 2, 5)),
    "rnn_relu": (nn.RNN(5, 4, 2, "relu", bidirectional=True, batch_first=True), (2, 4, 5)),
    "rnn_plain": (nn.RNN(5, 4, bias=False), (3, 5)),
}


CASES = [(name, form) for name in LAYERS for form in FORMS if form != "fused" or "lstm" in name]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("name", "form"), CASES)
def test_layer(name, form):
    model, shape = LAYERS[name]
    check_conversion(_seeded(model), random_input(*shape), kernels=KERNELS, recurrent=form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_states_are_inputs_and_outputs(form, batch_first):
    x = random_input(3, 4, 5)
    batch = 3 if batch_first else 4
    h, c = random_input(2, batch, 4, seed=1), random_input(2, batch, 4, seed=2)
    lstm = Given(nn.LSTM(5, 4, bidirectional=True, batch_first=batch_first))
    check_conversion(_seeded(lstm), x, h, c, kernels=KERNELS, recurrent=form)
    if form != "fused":
        gru = Given(nn.GRU(5, 4, 2, batch_first=batch_first))
        check_conversion(_seeded(gru), x, h, kernels=KERNELS, recurrent=form)


class Cells(nn.Module):
    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTMCell(5, 4, bias=bias)
        self.gru = nn.GRUCell(4, 4, bias=bias)
        self.tanh = nn.RNNCell(4, 4, bias=bias)
        self.relu = nn.RNNCell(4, 4, bias=bias, nonlinearity="relu")

    def forward(self, x):
        h, c = self.lstm(x)
        h, c = self.lstm(x, (h, c))
        return self.relu(self.tanh(self.gru(h, c)), c), self.gru(h), self.tanh(h), c


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3, 5), (5,)])
def test_cells(bias, shape):
    check_conversion(_seeded(Cells(bias)), random_input(*shape), kernels=KERNELS)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("form", FORMS)
def test_every_run_starts_anew(form, kernels):
    """The fused operator's state lives in the interpreter; PyTorch's does not."""
    model = _seeded(nn.LSTM(5, 4, bidirectional=True))
    result = convert_module(model, random_input(3, 2, 5), recurrent=form)
    interpreter = _make_interpreter(result.to_bytes(), kernels)
    interpreter.allocate_tensors()
    for seed in (1, 2, 1):
        x = random_input(3, 2, 5, seed=seed)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x.numpy())
        interpreter.invoke()
        with torch.no_grad():
            expected = outputs_of(model(x))
        for detail, value in zip(interpreter.get_output_details(), expected, strict=True):
            actual = interpreter.get_tensor(detail["index"])
            np.testing.assert_allclose(actual, value.numpy(), rtol=1e-4, atol=1e-5)


def test_weights_are_stored_once():
    sizes = {}
    for steps in (2, 12):
        model = Last(_seeded(nn.LSTM(32, 32)))
        sizes[steps] = len(convert_module(model, random_input(steps, 1, 32)).to_bytes())
    assert sizes[12] - sizes[2] < 10 * 4000  # a step's operators; its weights alone are 16 kB


def test_the_input_is_projected_at_once():
    result = convert_module(_seeded(nn.LSTM(5, 4)), random_input(8, 1, 5))
    assert result.operators["FULLY_CONNECTED"] == 8  # one for all steps, one for each but the first
    fused = convert_module(_seeded(nn.LSTM(5, 4)), random_input(8, 1, 5), recurrent="fused")
    assert fused.operators["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 1
    loop = convert_module(_seeded(nn.LSTM(5, 4)), random_input(8, 1, 5), recurrent="while")
    assert loop.operators["WHILE"] == 1


@pytest.mark.parametrize("layer", [nn.GRU(5, 4), nn.RNN(5, 4)])
def test_what_has_no_fused_operator_is_refused(layer):
    with pytest.raises(tinyml.Error, match=r"fused operator(.|\n)*recurrent='unrolled'"):
        convert_module(layer, random_input(3, 1, 5), recurrent="fused")


def test_packed_sequences_are_refused():
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LSTM(5, 4)

        def forward(self, x):
            packed = pack_padded_sequence(x, torch.tensor([3, 2]), enforce_sorted=False)
            return self.layer(packed)[1][0]

    with pytest.raises(tinyml.Error):
        convert_module(Packed(), random_input(3, 2, 5))


def test_the_names_of_other_tools(tmp_path):
    def convert(**options):
        path = tmp_path / "model.tflite"
        model, x = _seeded(nn.LSTM(5, 4)), random_input(3, 1, 5)
        return tinyml.TFLiteConverter(model, x, path, verify=True, **options).convert().operators

    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in convert(unroll_rnn=False)
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" not in convert(unroll_rnn=True)
    assert convert(separated_rnn_gate_calc=True, map_bilstm_to_lstm=True) == convert()
    with pytest.raises(tinyml.Error, match="unrolled, fused or while"):
        convert(recurrent="looped")
    with pytest.raises(tinyml.Error, match="contradict"):
        convert(recurrent="fused", unroll_rnn=True)


class RoundedWeights(nn.Module):
    """What quantization-aware training makes of a weight."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", weight.detach().abs().amax(1) / 127)
        self.register_buffer("zero_point", torch.zeros(weight.shape[0], dtype=torch.int32))

    def forward(self, weight):
        return torch.fake_quantize_per_channel_affine(
            weight, self.scale, self.zero_point, 0, -127, 127
        )


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_weights_that_fake_quants_round(kind):
    layer = _seeded(kind(3, 4))
    for name in ("weight_ih_l0", "weight_hh_l0"):
        rounded = RoundedWeights(getattr(layer, name))
        parametrize.register_parametrization(layer, name, rounded)
    check_conversion(layer, random_input(5, 2, 3), tolerance=1e-5, generated=False)


class Hyper(nn.Module):
    """A layer some of whose weights other layers compute."""

    def __init__(self, layer, *computed):
        super().__init__()
        self.layer, self.computed = layer, computed
        sizes = [getattr(layer, name).numel() for name in computed]
        self.hyper = nn.ModuleList(nn.Linear(2, size) for size in sizes)

    def forward(self, code, *inputs):
        weights = {
            name: hyper(code).reshape(getattr(self.layer, name).shape)
            for name, hyper in zip(self.computed, self.hyper, strict=True)
        }
        return torch.func.functional_call(self.layer, weights, inputs)


COMPUTED = {
    "lstm": (nn.LSTM(3, 4), ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]),
    "lstm, one of them": (nn.LSTM(3, 4, batch_first=True), ["weight_hh_l0"]),
    "lstm, projected": (nn.LSTM(3, 4, proj_size=2, bias=False), ["weight_hr_l0", "weight_hh_l0"]),
    "gru": (nn.GRU(3, 4, bidirectional=True), ["weight_hh_l0_reverse", "bias_hh_l0"]),
    "gru, input": (nn.GRU(3, 4), ["weight_ih_l0", "bias_ih_l0"]),
    "rnn": (nn.RNN(3, 4, num_layers=2), ["weight_ih_l1", "bias_ih_l1"]),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", COMPUTED)
def test_weights_that_the_model_computes(name):
    layer, computed = COMPUTED[name]
    model = _seeded(Hyper(layer, *computed))
    check_conversion(model, random_input(2), random_input(5, 2, 3), generated=False)


@pytest.mark.parametrize("kind", [nn.GRUCell, nn.LSTMCell])
def test_weights_of_cells_that_the_model_computes(kind):
    model = _seeded(Hyper(kind(3, 4), "weight_ih", "bias_hh"))
    check_conversion(model, random_input(2), random_input(2, 3), generated=False)


@pytest.mark.parametrize("form", ["while", "fused"])
def test_other_forms_want_constant_weights(form):
    model = Hyper(nn.LSTM(3, 4), "weight_hh_l0")
    with pytest.raises(tinyml.Error, match=r"must be constant(.|\n)*recurrent='unrolled'"):
        convert_module(model, random_input(2), random_input(5, 2, 3), recurrent=form)
