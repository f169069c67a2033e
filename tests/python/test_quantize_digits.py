"""A trained network: quantized before and after training, refined, configured."""

import copy
import re

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import tinyml
import tinyml.nn as qnn
from conversion import convert_module, snr
from tinyml import PostQuantizer, QATQuantizer
from tinyml.verification import run_tflite


class DigitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.conv3 = nn.Conv2d(16, 16, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(256, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(x)))
        x = self.pool(torch.relu(self.bn3(self.conv3(y)) + x))
        return self.fc(torch.flatten(x, 1))


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    x = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    y = torch.tensor(data.target)
    return (x[:1300], y[:1300]), (x[1300:], y[1300:])


def train(model, data, epochs, rate):
    x, y = data
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    model.train()
    for _ in range(epochs):
        for index in torch.randperm(len(x), generator=generator).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[index]), y[index]).backward()
            optimizer.step()
    return model.eval()


def accuracy(model, data):
    with torch.no_grad():
        return (model(data[0]).argmax(1) == data[1]).float().mean().item()


@pytest.fixture(scope="module")
def digit_net(digits):
    torch.manual_seed(0)
    return train(DigitNet(), digits[0], 6, 3e-3)


def test_qat_converges_as_the_float_model_does(digits, digit_net, tmp_path):
    reference = accuracy(digit_net, digits[1])
    assert reference > 0.9
    module = QATQuantizer(digit_net, digits[0][0][:1], tmp_path).quantize()
    train(module, digits[0], 2, 1e-3)
    assert accuracy(module, digits[1]) > reference - 0.01
    qnn.freeze_bn(module)
    qnn.set_observers(module, False)
    train(module, digits[0], 1, 1e-3)
    assert accuracy(module, digits[1]) > reference - 0.01


def test_qat_from_scratch_learns(digits, tmp_path):
    torch.manual_seed(1)
    module = QATQuantizer(DigitNet(), digits[0][0][:8], tmp_path).quantize()
    train(module, digits[0], 6, 3e-3)
    assert accuracy(module, digits[1]) > 0.9


@pytest.mark.parametrize("observer", ["l2", "percentile", "kl", "min_max", "moving_average"])
def test_ptq(observer, digits, digit_net, tmp_path):
    x = digits[0][0]
    quantizer = PostQuantizer(digit_net, x[:1], tmp_path, {"observer": observer})
    module = quantizer.calibrate(x[:320].split(32))
    assert not module.training
    with torch.no_grad():
        assert snr(module(digits[1][0]), digit_net(digits[1][0])) > 27
    assert accuracy(module, digits[1]) > accuracy(digit_net, digits[1]) - 0.01


def test_refining_a_model_of_few_bits(digits, digit_net, tmp_path):
    x, held_out = digits[0][0], digits[1][0]
    found = {}
    for name in ("nothing", "bias_correction", "adaptive_rounding"):
        config = {"bits": {"weight": 4}, "bias_correction": False}
        config |= {} if name == "nothing" else {name: True}
        quantizer = PostQuantizer(digit_net, x[:1], tmp_path, config)
        module = quantizer.calibrate(x[:64].split(16))
        with torch.no_grad():
            found[name] = snr(module(held_out), digit_net(held_out))
        if name == "adaptive_rounding":
            assert len(quantizer.refined) == 4
            assert all(e.rounded_error <= e.nearest_error for e in quantizer.refined)
            file = convert_module(module, x[:1])
            (output,) = run_tflite(file.to_bytes(), [x[:1].numpy()], input_orders=file.input_orders)
            with torch.no_grad():
                assert snr(torch.from_numpy(output), module(x[:1])) > 25
    assert found["bias_correction"] > found["nothing"]
    assert found["adaptive_rounding"] > found["nothing"] + 2


def test_scales_of_weights_have_the_least_squared_error_by_default(digits, digit_net, tmp_path):
    x = digits[0][0]
    noise = {}
    for algorithm in ("mse", "min_max"):
        config = {"algorithm": algorithm, "bias_correction": False}
        module = PostQuantizer(digit_net, x[:1], tmp_path, config).calibrate([x[:16]])
        layers = [m for m in module.modules() if getattr(m, "weight_fq", None) is not None]
        assert len(layers) == 4
        noise[algorithm] = [
            (layer.quantized_weight() - layer.effective_weight()).square().sum().item()
            for layer in layers
        ]
    assert all(a < b for a, b in zip(noise["mse"], noise["min_max"], strict=True))
    assert noise["mse"][0] < 0.6 * noise["min_max"][0]  # rows of nine weights


def test_biases_are_corrected_by_default(digits, digit_net, tmp_path):
    x, held_out = digits[0][0], digits[1][0]
    found = []
    for config in ({"bias_correction": False}, {}):
        quantizer = PostQuantizer(digit_net, x[:1], tmp_path, config)
        module = quantizer.calibrate(x[:64].split(16))
        assert [layer.bias_corrected for layer in quantizer.refined] == [True] * (4 * len(found))
        with torch.no_grad():
            found.append(snr(module(held_out), digit_net(held_out)))
    assert found[1] > found[0]
    with pytest.warns(UserWarning, match="biases were not corrected: no batch has the dummy"):
        PostQuantizer(digit_net, x[:20], tmp_path).calibrate([x[:3]])
    with pytest.raises(tinyml.Error, match="no batch has the dummy"):
        PostQuantizer(digit_net, x[:20], tmp_path, {"bias_correction": True}).calibrate([x[:3]])


def test_calibrating_captures_no_more_than_once(digits, digit_net, tmp_path, monkeypatch):
    x = digits[0][0]
    captured = []

    def trace(module, *args, **kwargs):
        captured.append(type(module).__name__)
        return tinyml.trace(module, *args, **kwargs)

    monkeypatch.setattr(tinyml.quantize, "trace", trace)
    monkeypatch.setattr(tinyml.biases, "trace", trace)
    quantizer = PostQuantizer(digit_net, x[:1], tmp_path)
    module = quantizer.calibrate(x[:64].split(16))
    assert captured == [type(digit_net).__name__]
    # Code that is used again may have been edited: then it is captured, and is corrected alike.
    config = {"force_overwrite": False}
    again = PostQuantizer(digit_net, x[:1], tmp_path, config).calibrate(x[:64].split(16))
    assert len(captured) > 2
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_ptq_without_data_is_refused(digits, digit_net, tmp_path):
    quantizer = PostQuantizer(digit_net, digits[0][0][:1], tmp_path)
    quantizer.quantize()
    with pytest.raises(tinyml.Error, match=r"No calibration data reached fq_x"):
        quantizer.freeze()


def test_int16_activations(digits, digit_net, tmp_path):
    x = digits[0][0]
    config = {"bits": {"activation": 16}, "observer": "min_max"}
    module = PostQuantizer(digit_net, x[:1], tmp_path, config).calibrate([x[:64]])
    assert all(
        q.zero_point.abs().max() == 0
        for _, q in qnn.fake_quantizers(module)
        if hasattr(q, "zero_point")
    )
    with torch.no_grad():
        assert snr(module(x[:64]), digit_net(x[:64])) > 35  # the weights' 8 bits remain


def test_an_edited_file_is_used_again(digits, digit_net, tmp_path):
    x = digits[0][0][:4]
    QATQuantizer(digit_net, x, tmp_path).quantize()
    path = tmp_path / "digit_net_q.py"
    edited = path.read_text()
    for line in (
        r" +self\.fq_relu_1 = .*\n",
        r" +x_?\w* = self\.fq_relu_1\(.*\n",
        r" +\w+ = self\.fq_relu_1\(.*\n",
    ):
        edited = re.sub(line, "", edited)
    assert "fq_relu_1" not in edited
    edited = edited.replace("groups=16, bias=False", "groups=16, bias=False, weight_range=None")
    path.write_text(edited)

    again = QATQuantizer(digit_net, x, tmp_path, {"force_overwrite": False}).quantize()
    assert path.read_text() == edited
    assert not hasattr(again, "fq_relu_1")
    assert again.conv2.weight_fq is None
    assert torch.equal(again.conv3.weight, digit_net.conv3.weight)

    retrained = copy.deepcopy(digit_net)
    with torch.no_grad():
        retrained.fc.bias.add_(1.0)
    again = QATQuantizer(retrained, x, tmp_path, {"force_overwrite": False}).quantize()
    assert torch.equal(again.fc.bias, retrained.fc.bias)

    stale = {"force_overwrite": False, "per_tensor": True}
    with pytest.raises(tinyml.Error, match="another model or configuration"):
        QATQuantizer(digit_net, x, tmp_path, stale).quantize()
    path.write_text(edited.replace("tinyml fingerprint", "removed"))
    with pytest.raises(tinyml.Error, match="fingerprint"):
        QATQuantizer(digit_net, x, tmp_path, {"force_overwrite": False}).quantize()
    path.write_text(edited.replace("self.fc = ", "self.fc2 = ").replace("self.fc(", "self.fc2("))
    with pytest.raises(tinyml.Error, match=r"missing in the code: fc\.weight"):
        QATQuantizer(digit_net, x, tmp_path, {"force_overwrite": False}).quantize()
    QATQuantizer(digit_net, x, tmp_path).quantize()
    assert "self.fq_relu_1 =" in path.read_text()


def test_configuration_from_a_file_and_its_mistakes(digits, digit_net, tmp_path):
    x = digits[0][0][:4]
    path = tmp_path / "q.yaml"
    path.write_text("ignore: [conv2]\nlayers:\n  fc: {per_tensor: true}\n")
    quantizer = QATQuantizer(digit_net, x, tmp_path, path)
    module = quantizer.quantize()
    assert module.conv2.weight_fq is None
    assert module.fc.weight_fq.channels is None
    assert {item.reason for item in quantizer.report.float_operators} == {
        "the configuration ignores it"
    }
    with pytest.raises(tinyml.Error, match="is 'per_tensor' meant"):
        QATQuantizer(digit_net, x, tmp_path, {"per_tensr": True})
    with pytest.raises(tinyml.Error, match="Cannot read"):
        QATQuantizer(digit_net, x, tmp_path, tmp_path / "none.yaml")
    with pytest.raises(tinyml.Error, match="is 'conv2' meant"):
        QATQuantizer(digit_net, x, tmp_path, {"ignore": ["convv2"]}).quantize()
