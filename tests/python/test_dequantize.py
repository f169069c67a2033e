"""DeQuantizer and `tinyml dequantize`: back to the float model."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from models import DEPLOYED, ZOO
from torch import nn

import tinyml
from test_cli import succeed
from tinyml import DeQuantizer, DynamicQuantizer, PostQuantizer, QATQuantizer
from tinyml.nested import leaves


class Block(nn.Module):
    """Every kind of folded layer, names of every kind, momentum and eps of its own."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8, eps=1e-3, momentum=0.03)
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.normalize = nn.BatchNorm2d(4, affine=False, momentum=None)
        self.fc = nn.Linear(4, 5)
        self.fc_bn = nn.BatchNorm1d(5)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.sigmoid(self.normalize(self.up(self.body(x))))
        return self.fc_bn(self.fc(x.mean((2, 3))))


def with_statistics(model):
    generator = torch.Generator().manual_seed(3)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return model.eval()


@pytest.mark.parametrize("network", ["resnet8", "densenet_small", "ds_cnn", "efficientnet_b0"])
def test_networks_are_as_they_were(network, tmp_path):
    entry = ZOO[network]
    model, x = with_statistics(entry.small()), entry.example_input()
    quantized = QATQuantizer(model, x, tmp_path).quantize()
    back = DeQuantizer(quantized, x, tmp_path).dequantize()
    assert back.training
    with torch.no_grad():
        assert torch.equal(back.eval()(x), model(x))
    code = next(tmp_path.glob("*_float.py")).read_text(encoding="utf-8")
    assert "qnn" not in code
    shapes = {tuple(tensor.shape) for tensor in model.state_dict().values()}
    assert {tuple(tensor.shape) for tensor in back.state_dict().values()} == shapes
    model.load_state_dict(back.state_dict())  # strictly: the names are the original's


def test_folded_layers_become_batch_norms_again(tmp_path):
    model, x = with_statistics(Block()), torch.randn(4, 3, 8, 8)
    quantized = QATQuantizer(model, x, tmp_path).quantize()
    back = DeQuantizer(quantized, x, tmp_path).dequantize()
    with torch.no_grad():
        assert torch.equal(back.eval()(x), model(x))
    state = back.state_dict()
    assert set(state) == set(model.state_dict())
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert (back.bn1.eps, back.bn1.momentum) == (1e-3, 0.03)
    assert back.normalize.momentum is None
    # It trains as the original does.
    optimizer = torch.optim.SGD(back.parameters(), 0.1)
    twin = torch.optim.SGD(model.parameters(), 0.1)
    for module, steps in ((back, optimizer), (model, twin)):
        module.train()(x).square().sum().backward()
        steps.step()
        module.eval()
    assert torch.allclose(back(x), model(x), atol=1e-5)


def test_training_is_kept(tmp_path):
    torch.manual_seed(0)
    model, x = with_statistics(Block()), torch.randn(16, 3, 8, 8)
    quantized = QATQuantizer(model, x, tmp_path).quantize()
    optimizer = torch.optim.SGD(quantized.parameters(), 0.01)
    for _ in range(3):
        optimizer.zero_grad()
        quantized(x).square().mean().backward()
        optimizer.step()
    quantized.eval()
    back = DeQuantizer(quantized, x, tmp_path).dequantize()
    tinyml.nn.set_fake_quant(quantized, False)
    with torch.no_grad():
        assert torch.allclose(back(x), quantized(x), atol=1e-5)
        assert not torch.allclose(back(x), model(x), atol=1e-3)
    # Switched off, its FakeQuants are not in the graph; their tensors go all the same.
    again = DeQuantizer(quantized, x, tmp_path / "off").dequantize()
    assert set(again.state_dict()) == set(back.state_dict())


def test_a_transformer(tmp_path):
    entry = DEPLOYED["vit_tiny"]
    model, x = entry.small().eval(), entry.example_input()
    quantized = PostQuantizer(model, x, tmp_path).calibrate([x])
    back = DeQuantizer(quantized, x, tmp_path).dequantize()
    with torch.no_grad():
        assert torch.allclose(back(x), model(x), atol=2e-2, rtol=1e-2)
    assert set(back.state_dict()) <= set(model.state_dict()) | set(dict(model.named_buffers()))


class Recurrents(nn.Module):
    """Several layers, both directions, a projection, states in and out, unbatched steps."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 6, 2, batch_first=True, dropout=0.25, bidirectional=True)
        self.projected = nn.LSTM(12, 6, proj_size=3)
        self.gru = nn.GRU(12, 5, 2, bias=False)
        self.last = nn.RNN(5, 4, nonlinearity="relu", batch_first=True)

    def forward(self, x):
        y, (h, _) = self.lstm(x)
        z, (_, memory) = self.projected(y, (h[:1, :, :3].repeat(1, 2, 1)[:, :2], h[:1, :2]))
        g, states = self.gru(y)
        return z, memory, g[-1], states, self.last(g)[1]


def test_recurrent_layers_are_modules_again(tmp_path):
    torch.manual_seed(0)
    model, x = Recurrents().eval(), torch.randn(2, 2, 4)  # as many steps as examples and layers
    quantized = QATQuantizer(model, x, tmp_path, {"allow_float": True}).quantize()
    back = DeQuantizer(quantized, x, tmp_path).dequantize().eval()
    for name, layer in model.named_children():
        again = getattr(back, name)
        assert type(again) is type(layer)
        for setting in ("num_layers", "batch_first", "dropout", "bidirectional", "bias", "mode"):
            assert getattr(again, setting) == getattr(layer, setting), (name, setting)
    back.load_state_dict(model.state_dict())
    with torch.no_grad():
        for actual, expected in zip(back(x), model(x), strict=True):
            assert torch.equal(actual, expected)
        x = torch.randn(2, 7, 4)  # of any length again
        assert back.lstm(x)[0].shape == model.lstm(x)[0].shape
    torch.export.save(torch.export.export(model, (torch.randn(2, 2, 4),)), tmp_path / "m.pt2")
    np.save(tmp_path / "x.npy", torch.randn(2, 2, 4).numpy())
    files = [tmp_path / name for name in ("m.pt2", "q.pt2", "float.pt2")]
    succeed("quantize", files[0], "--calibration", tmp_path / "x.npy", "-o", files[1])
    succeed("dequantize", files[1], "-o", files[2])
    operators = {str(node.target) for node in torch.export.load(files[2]).graph.nodes}
    assert {"aten.lstm.input", "aten.gru.input", "aten.rnn_relu.input"} <= operators
    assert "aten.linear.default" not in operators


class Cells(nn.Module):
    """Steps of cells: with states and without, with biases and without, called in turns."""

    def __init__(self):
        super().__init__()
        self.first = nn.LSTMCell(6, 8)
        self.inner = nn.ModuleDict({"cell": nn.GRUCell(8, 7, bias=False)})
        self.last = nn.RNNCell(7, 5, nonlinearity="relu")
        self.plain = nn.RNNCell(5, 5)

    def forward(self, x):
        state, h, y, results = None, torch.zeros(x.shape[0], 7), None, []
        for step in x.unbind(1):
            state = self.first(step, state)
            h = self.inner["cell"](state[0], h)
            y = self.last(h, y)
            results.append(self.plain(y) + state[1][:, :5])
        return torch.stack(results, 1), state


def test_recurrent_cells_are_modules_again(tmp_path):
    torch.manual_seed(0)
    model, x = Cells().eval(), torch.randn(2, 3, 6)
    quantized = QATQuantizer(model, x, tmp_path).quantize()
    back = DeQuantizer(quantized, x, tmp_path).dequantize().eval()
    for name in ("first", "inner.cell", "last", "plain"):
        again, layer = back.get_submodule(name), model.get_submodule(name)
        assert type(again) is type(layer), name
        assert (again.bias, again.hidden_size) == (layer.bias, layer.hidden_size)
    assert back.last.nonlinearity == "relu"
    assert set(back.state_dict()) == set(model.state_dict())
    with torch.no_grad():
        for actual, expected in zip(leaves(back(x)), leaves(model(x)), strict=True):
            assert torch.equal(actual, expected)
    torch.export.save(torch.export.export(model, (x,)), tmp_path / "m.pt2")
    np.save(tmp_path / "x.npy", x.numpy())
    files = [tmp_path / name for name in ("m.pt2", "q.pt2", "float.pt2")]
    succeed("quantize", files[0], "--calibration", tmp_path / "x.npy", "-o", files[1])
    succeed("dequantize", files[1], "-o", files[2])
    operators = [str(node.target) for node in torch.export.load(files[2]).graph.nodes]
    assert operators.count("aten.lstm_cell.default") == 3
    assert operators.count("aten.gru_cell.default") == 3
    assert operators.count("aten.rnn_relu_cell.default") == 3
    assert operators.count("aten.rnn_tanh_cell.default") == 3
    assert "aten.linear.default" not in operators


def test_a_cell_whose_code_was_edited_stays_written_out(tmp_path):
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.RNNCell(6, 8)).eval(), torch.randn(2, 6)
    quantizer = QATQuantizer(model, x, tmp_path)
    quantizer.quantize()
    source = quantizer.py_path.read_text(encoding="utf-8")
    assert source.count("torch.tanh(") == 1
    quantizer.py_path.write_text(source.replace("torch.tanh(", "torch.sigmoid("))
    edited = QATQuantizer(model, x, tmp_path, {"force_overwrite": False}).quantize()
    back = DeQuantizer(edited, x, tmp_path).dequantize().eval()
    assert not [child for child in back.modules() if isinstance(child, nn.RNNCellBase)]
    tinyml.nn.set_fake_quant(edited, False)
    with torch.no_grad():
        assert torch.allclose(back(x), edited.eval()(x), atol=1e-6)
        assert not torch.allclose(back(x), model(x), atol=1e-2)


class Tables(nn.Module):
    """Embeddings that are called twice, lie deeper, pad, and share their table with a layer."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(30, 16)
        self.inner = nn.Sequential(nn.Embedding(30, 16, padding_idx=0), nn.Linear(16, 16))
        self.last = nn.Linear(16, 30, bias=False)
        self.last.weight = self.table.weight

    def forward(self, x, y):
        return self.last(self.table(x) + self.table(y) * self.inner(x))


def test_embeddings_are_modules_again(tmp_path):
    torch.manual_seed(0)
    model, inputs = Tables().eval(), tuple(torch.randint(0, 30, (2, 2, 5)))
    quantized = DynamicQuantizer(model, inputs, tmp_path).quantize()
    back = DeQuantizer(quantized, inputs, tmp_path).dequantize().eval()
    assert type(back.table) is nn.Embedding
    assert type(back.inner[0]) is nn.Embedding
    assert back.inner[0].padding_idx == 0
    assert back.last.weight is back.table.weight
    with torch.no_grad():
        assert torch.equal(back(*inputs), model(*inputs))


def test_what_torch_quantized(tmp_path):
    import torch.ao.quantization as tq

    torch.manual_seed(0)
    model = nn.Sequential(
        tq.QuantStub(), nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1), tq.DeQuantStub()
    ).eval()
    model.qconfig = tq.get_default_qconfig("fbgemm")
    x = torch.randn(2, 3, 8, 8)
    prepared = tq.prepare(model)
    prepared(x)
    quantized = tq.convert(prepared)
    back = DeQuantizer(quantized, x, tmp_path).dequantize()
    with torch.no_grad():
        y, rounded, expected = back(x), quantized(x), model(x)
    assert (y - expected).abs().max() < (rounded - expected).abs().max()
    assert torch.allclose(y, expected, atol=0.05)
    assert not [name for name in back.state_dict() if "scale" in name or "zero_point" in name]


def test_mistakes_are_named(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3))
    x = torch.randn(1, 3)
    with pytest.raises(tinyml.Error, match="has no FakeQuants"):
        DeQuantizer(model, x, tmp_path).dequantize()
    with pytest.raises(tinyml.Error, match=r"'force_overwrte'.*'force_overwrite'"):
        DeQuantizer(model, x, tmp_path, {"force_overwrte": True})


def test_command(tmp_path: Path):
    model, x = with_statistics(Block()), torch.randn(4, 3, 8, 8)
    torch.export.save(torch.export.export(model, (x,)), tmp_path / "m.pt2")
    np.save(tmp_path / "x.npy", x.numpy())
    files = [tmp_path / name for name in ("m.pt2", "q.pt2", "float.pt2")]
    succeed("quantize", files[0], "--calibration", tmp_path / "x.npy", "-o", files[1])
    succeed("dequantize", files[1], "-o", files[2])
    program = torch.export.load(files[2])
    with torch.no_grad():
        assert torch.allclose(program.module()(x), model(x), atol=1e-3)
    for name, value in model.state_dict().items():  # biases have been rounded
        assert name.endswith("bias") or torch.equal(program.state_dict[name], value), name
    assert set(program.state_dict) == set(model.state_dict())  # all names are the original's
    with pytest.raises((AssertionError, subprocess.CalledProcessError)):
        succeed("dequantize", files[0], "-o", files[2])
