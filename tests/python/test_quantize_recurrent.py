"""LSTM, GRU and RNN on integers: written out in the graph, modules in the generated code."""

import pytest
import torch
from torch import nn

import tinyml
from conversion import convert_module, run_all
from tinyml import PostQuantizer, QATQuantizer
from tinyml import nn as qnn
from tinyml.verification import measure_error


class Tagger(nn.Module):
    def __init__(self, layer, width):
        super().__init__()
        self.first = nn.Linear(6, 12)
        self.rnn = layer
        self.last = nn.Linear(width, 4)

    def forward(self, x):
        return self.last(self.rnn(self.first(x))[0])


class Stream(nn.Module):
    """Takes and gives the state."""

    def __init__(self, layer):
        super().__init__()
        self.rnn = layer
        self.last = nn.Linear(10, 4)

    def forward(self, x, state):
        y, state = self.rnn(x, state)
        return self.last(y), state


LAYERS = {
    "lstm": (lambda: nn.LSTM(12, 10, batch_first=True), 10),
    "lstm_two_ways": (lambda: nn.LSTM(12, 10, num_layers=2, bidirectional=True), 20),
    "lstm_projected": (lambda: nn.LSTM(12, 10, proj_size=6, batch_first=True, bias=False), 6),
    "gru": (lambda: nn.GRU(12, 10, batch_first=True, bidirectional=True), 20),
    "gru_two": (lambda: nn.GRU(12, 10, num_layers=2, dropout=0.1), 10),
    "rnn": (lambda: nn.RNN(12, 10, nonlinearity="relu", batch_first=True), 10),
}


def steps_apart(expected, actual, module):
    step = [m for m in module.modules() if isinstance(m, qnn.FakeQuantize)][-1].scale.item()
    return (expected - actual).abs().max().item() / step


@pytest.mark.parametrize("name", LAYERS)
def test_products_run_on_integers(name, tmp_path):
    torch.manual_seed(0)
    build, width = LAYERS[name]
    model = Tagger(build(), width).eval()
    batches = [torch.randn(2, 5, 6) for _ in range(6)]
    quantizer = PostQuantizer(model, batches[0], tmp_path)
    module = quantizer.calibrate(batches)
    report = quantizer.report
    assert report.quantized_macs == report.macs, str(report)
    assert len(report.float_operators) == 1  # the gates, once
    assert type(module.rnn).__name__ == "Quant" + type(model.rnn).__name__
    assert f"qnn.Quant{type(model.rnn).__name__}(" in quantizer.py_path.read_text()
    with torch.no_grad():
        expected, simulated = model(batches[1]), module(batches[1])
        assert measure_error("", expected.numpy(), simulated.numpy()).snr_db > 25
        qnn.set_fake_quant(module, False)
        assert torch.allclose(module(batches[1]), expected, atol=2e-2)  # biases are rounded
        qnn.set_fake_quant(module, True)
        # Another number of steps than the code was made with.
        assert module(torch.randn(2, 9, 6)).shape == (2, 9, 4)
    result = convert_module(module, batches[0])
    for error in run_all(result, [batches[1]], [simulated], kernels=("xnnpack",)):
        assert error.max_abs <= 1.01 * list(qnn.fake_quantizers(module))[-1][1].scale.max() * 127
        assert error.snr_db > 35, str(error)


@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_a_state_goes_in_and_out(cell, tmp_path):
    torch.manual_seed(0)
    model = Stream(cell(6, 10)).eval()
    zeros = torch.zeros(1, 2, 10)
    state = (zeros, zeros) if cell is nn.LSTM else zeros
    inputs = [torch.randn(3, 2, 6) for _ in range(4)]
    quantizer = PostQuantizer(model, (inputs[0], state), tmp_path)
    quantizer.calibrate((x, state) for x in inputs)
    module = quantizer.convert()
    with torch.no_grad():
        expected, simulated = (model(inputs[0], state), module(inputs[0], state))
        later = model(inputs[1], expected[1]), module(inputs[1], simulated[1])
    assert measure_error("", later[0][0].numpy(), later[1][0].numpy()).snr_db > 20
    graph = tinyml.trace(module, (inputs[0], state))
    assert tinyml._core.convert(graph).to_bytes()


def test_it_trains_and_the_state_dict_fits_the_original(tmp_path):
    torch.manual_seed(0)
    model = Tagger(nn.LSTM(12, 10, batch_first=True, dropout=0.0), 10)
    x = torch.randn(8, 5, 6)
    target = (x.sum(-1) > 0).long()
    module = QATQuantizer(model, x, tmp_path, {"momentum": 0.5}).quantize()
    assert set(model.state_dict()) <= set(module.state_dict())
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    losses = []
    for _ in range(12):
        loss = nn.functional.cross_entropy(module(x).flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
    module.eval()
    error = run_all(convert_module(module, x), [x], [module(x).detach()], kernels=("xnnpack",))[0]
    assert error.snr_db > 35


def test_what_is_ignored_stays_an_lstm(tmp_path):
    model = Tagger(nn.LSTM(12, 10, batch_first=True), 10).eval()
    for config in ({"ignore": ["LSTM"]}, {"quantize_op_action": {"lstm": "float"}}):
        module = QATQuantizer(model, torch.randn(1, 4, 6), tmp_path, config).quantize()
        assert type(module.rnn) is nn.LSTM


def test_back_to_float(tmp_path):
    torch.manual_seed(0)
    model = Tagger(nn.LSTM(12, 10, batch_first=True), 10).eval()
    x = torch.randn(2, 4, 6)
    module = QATQuantizer(model, x, tmp_path / "q").quantize()
    plain = tinyml.DeQuantizer(module, x, work_dir=tmp_path / "f").dequantize()
    assert set(model.state_dict()) == set(plain.state_dict())
    assert not list(qnn.fake_quantizers(plain))
    assert torch.allclose(plain(x), model(x), atol=1e-6)


class Loop(nn.Module):
    """A cell called for each step."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell
        self.last = nn.Linear(10, 4)

    def forward(self, x):
        state, outputs = None, []
        for step in x.unbind(1):
            state = self.cell(step, state)
            outputs.append(self.last(state[0] if isinstance(state, tuple) else state))
        return torch.stack(outputs, 1)


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_cells_in_a_loop(cell, tmp_path):
    torch.manual_seed(0)
    model = Loop(cell(6, 10)).eval()
    batches = [torch.randn(2, 4, 6) for _ in range(4)]
    quantizer = PostQuantizer(model, batches[0], tmp_path)
    module = quantizer.calibrate(batches)
    assert quantizer.report.quantized_macs == quantizer.report.macs, str(quantizer.report)
    assert set(model.state_dict()) <= set(module.state_dict())
    code = quantizer.py_path.read_text()
    assert code.count("qnn.WeightFakeQuantize(") == 2, code  # the cell is one module
    with torch.no_grad():
        expected, simulated = model(batches[0]), module(batches[0])
        assert measure_error("", expected.numpy(), simulated.numpy()).snr_db > 25
    error = run_all(
        convert_module(module, batches[0]), [batches[0]], [simulated], kernels=("xnnpack",)
    )
    assert error[0].snr_db > 35, error
