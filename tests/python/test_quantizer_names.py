"""DynamicQuantizer, convert(), and the configuration keys that users of such tools know."""

import numpy as np
import pytest
import torch
from models import ZOO
from torch import nn

import tinyml
import tinyml.nn as qnn
from tinyml import DynamicQuantizer, PostQuantizer, QATQuantizer, TFLiteConverter
from tinyml.verification import run_tflite


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3, padding=1)
        self.bn = nn.BatchNorm2d(32)
        self.body = nn.Conv2d(32, 64, 3, stride=2)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = torch.relu(self.body(torch.relu(self.bn(self.conv(x)))))
        return self.fc(x.mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 32)
        self.lstm = nn.LSTM(32, 48, batch_first=True)
        self.fc = nn.Linear(48, 64)

    def forward(self, x):
        return self.fc(self.lstm(self.embed(x))[0])


def snr(actual, expected):
    error = (actual - expected).square().mean().clamp(min=1e-20)
    return (10 * torch.log10(expected.square().mean() / error)).item()


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval(), torch.randn(1, 3, 16, 16)


def weight_files(model, module, x, tmp_path):
    """Sizes of the float file and of the dynamic one, and what the latter computes."""
    paths = [tmp_path / "float.tflite", tmp_path / "dynamic.tflite"]
    for source, path in zip((model, module), paths, strict=True):
        TFLiteConverter(source, x, tflite_path=path, nchw_transpose=False).convert()
    result = torch.from_numpy(np.asarray(run_tflite(paths[1], [x.numpy()])[0]))
    return *(path.stat().st_size for path in paths), result


def test_dynamic_range_of_a_convolutional_network(tmp_path):
    model, x = ZOO["resnet8"].small().eval(), ZOO["resnet8"].example_input()
    quantizer = DynamicQuantizer(model, x, tmp_path)
    module = quantizer.quantize()
    assert not quantizer.report.float_operators
    kinds = {type(fake) for _, fake in qnn.fake_quantizers(module)}
    assert kinds == {qnn.WeightFakeQuantize}
    with torch.no_grad():
        y, expected = module(x), model(x)
    assert 30 < snr(y, expected) < 60
    large, small, result = weight_files(model, quantizer.convert(), x, tmp_path)
    assert small < 0.35 * large
    assert snr(result, y) > 25
    assert snr(result, expected) > 25
    assert "QUANTIZE" not in tinyml.info(tmp_path / "dynamic.tflite").operators


def test_dynamic_range_keeps_what_training_found(net, tmp_path):
    model, x = net
    module = DynamicQuantizer(model, x, tmp_path).quantize().train()
    optimizer = torch.optim.SGD(module.parameters(), 0.05)
    for _ in range(3):
        optimizer.zero_grad()
        module(torch.randn(8, 3, 16, 16)).square().mean().backward()
        optimizer.step()
    module.eval()
    _, _, result = weight_files(model, module, x, tmp_path)
    with torch.no_grad():
        assert snr(result, module(x)) > 30
        assert snr(module(x), model(x)) < 20


def test_dynamic_range_of_recurrent_layers_and_embeddings(tmp_path):
    torch.manual_seed(0)
    model = Recurrent().eval()
    x = torch.randint(0, 50, (1, 5))
    quantizer = DynamicQuantizer(model, x, tmp_path)
    module = quantizer.quantize()
    assert not quantizer.report.float_operators
    assert quantizer.report.quantized_operators == 4
    assert {type(fake) for _, fake in qnn.fake_quantizers(module)} == {qnn.WeightFakeQuantize}
    assert isinstance(module.lstm, qnn.QuantLSTM)
    large, small, result = weight_files(model, module, x, tmp_path)
    assert small < 0.5 * large  # one step's operators are small change
    assert "EMBEDDING_LOOKUP" in tinyml.info(tmp_path / "dynamic.tflite").operators
    with torch.no_grad():
        y, expected = module(x), model(x)
        assert 30 < snr(y, expected) < 60  # the rounding shows
        assert snr(result, expected) > 25
        assert snr(result, y) > snr(result, expected) - 3
        assert module(x.repeat(2, 3)).shape == (2, 15, 64)
        qnn.set_fake_quant(module, False)
        assert torch.allclose(module(x), expected, atol=1e-6)
    qnn.set_fake_quant(module, True)
    module.train()(x).square().sum().backward()
    assert module.lstm.weight_hh_l0.grad.abs().max() > 0
    back = tinyml.DeQuantizer(module, x, tmp_path).dequantize()
    back.load_state_dict(model.state_dict())
    assert type(back.lstm) is nn.LSTM


def test_dynamic_range_says_what_it_leaves_to_the_converter(tmp_path):
    model, x = nn.GRU(4, 8).eval(), torch.randn(2100, 1, 4)
    quantizer = DynamicQuantizer(model, x, tmp_path)
    quantizer.quantize()
    assert [item.op for item in quantizer.report.float_operators] == ["aten.gru.input"]
    assert "converter" in quantizer.report.float_operators[0].reason


def test_dynamic_range_leaves_out_what_is_ignored(net, tmp_path):
    model, x = net
    quantizer = DynamicQuantizer(model, x, tmp_path, {"ignore": ["fc"]})
    module = quantizer.quantize()
    assert [name for name, _ in qnn.fake_quantizers(module)] == ["conv.weight_fq", "body.weight_fq"]
    assert [item.module_path for item in quantizer.report.float_operators] == ["fc"]


def test_convert_after_training_gives_what_the_file_computes(net, tmp_path):
    model, x = net
    quantizer = QATQuantizer(model, x, tmp_path)
    with pytest.raises(tinyml.Error, match="call quantize"):
        quantizer.convert()
    module = quantizer.quantize()
    with pytest.raises(tinyml.Error, match="No calibration data reached"):
        quantizer.convert()
    for _ in range(3):
        module(torch.randn(8, 3, 16, 16))
    final = quantizer.convert()
    assert final is module
    assert not final.training
    TFLiteConverter(final, x, tflite_path=tmp_path / "q.tflite", nchw_transpose=False).convert()
    result = torch.from_numpy(np.asarray(run_tflite(tmp_path / "q.tflite", [x.numpy()])[0]))
    with torch.no_grad():
        assert torch.allclose(result, final(x), atol=1e-5)


def test_convert_after_calibration(net, tmp_path):
    model, x = net
    quantizer = PostQuantizer(model, x, tmp_path)
    with pytest.raises(tinyml.Error, match="Nothing was observed"):
        quantizer.convert()
    module = quantizer.quantize()
    module(x)
    assert quantizer.convert() is module
    state = {name: value.clone() for name, value in module.state_dict().items()}
    assert quantizer.convert() is module  # again: nothing changes
    assert all(torch.equal(state[name], value) for name, value in module.state_dict().items())


@pytest.mark.parametrize("algorithm", ["mse", "min_max"])
def test_a_module_that_still_collects_ranges_is_not_converted(algorithm, net, tmp_path):
    model, x = net
    module = PostQuantizer(model, x, tmp_path, {"algorithm": algorithm}).quantize()
    module(x)
    converter = TFLiteConverter(module, x, tflite_path=tmp_path / "q.tflite")
    with pytest.raises(tinyml.Error, match=r"being collected(?s:.*)convert\(\) of the quantizer"):
        converter.convert()
    assert not (tmp_path / "q.tflite").exists()


def test_input_statistics_set_the_input_scale(net, tmp_path):
    model, x = net
    config = {"quantized_input_stats": [[127.5, 64]]}
    module = PostQuantizer(model, x, tmp_path, config).calibrate([x])
    assert module.fq_x.fixed == (1 / 64, 0)
    TFLiteConverter(
        module, x, tflite_path=tmp_path / "q.tflite", quantize_input_output_type="uint8"
    ).convert()
    (tensor,) = tinyml.info(tmp_path / "q.tflite").inputs
    assert (tensor.scale, tensor.zero_point) == ([1 / 64], [128])
    for bad, message in (
        ([[0, 1], [0, 1]], "is for 2 inputs, the model has 1"),
        ([[300, 1]], r"the mean is in \[0, 255\]"),
        ([[1, 0]], "the deviation is positive"),
        ([3], "neither"),
        (7, "is not a list"),
    ):
        with pytest.raises(tinyml.Error, match=message):
            PostQuantizer(model, x, tmp_path, {"quantized_input_stats": bad}).quantize()


def test_actions_of_operators(net, tmp_path):
    model, x = net
    config = {"quantize_op_action": {"Linear": "float", "body": "int16"}}
    quantizer = PostQuantizer(model, x, tmp_path, config)
    module = quantizer.calibrate([x])
    assert [item.module_path for item in quantizer.report.float_operators] == ["fc"]
    ranges = {fake.quant_max for _, fake in qnn.fake_quantizers(module)}
    assert ranges == {127, 32767}
    with pytest.raises(tinyml.Error, match=r"'quantize_op_action.fc' is 'int9'"):
        PostQuantizer(model, x, tmp_path, {"quantize_op_action": {"fc": "int9"}})


def test_a_function_decides_by_layer(net, tmp_path):
    model, x = net
    seen = []

    def settings(path, layer):
        seen.append(path)
        if isinstance(layer, nn.Linear):
            return {"ignore": True}
        return {"bits": {"weight": 4}} if path == "body" else None

    config = {"override_qconfig_func": settings, "layers": {"fc": {"ignore": False}}}
    quantizer = QATQuantizer(model, x, tmp_path, config)
    module = quantizer.quantize()
    assert seen == ["conv", "bn", "body", "fc"]
    assert module.body.weight_fq.quant_max == 7
    assert module.conv.weight_fq.quant_max == 127
    assert [item.module_path for item in quantizer.report.float_operators] == ["fc"]
    assert "override_qconfig_func" in config  # the caller's dict is as it was
    with pytest.raises(tinyml.Error, match="returned 3 for 'conv'"):
        QATQuantizer(model, x, tmp_path, {"override_qconfig_func": lambda *_: 3})
    with pytest.raises(tinyml.Error, match="is 'bits' meant"):
        QATQuantizer(model, x, tmp_path, {"override_qconfig_func": lambda *_: {"bit": 4}})
    with pytest.raises(tinyml.Error, match="a function of"):
        QATQuantizer(model, x, tmp_path, {"override_qconfig_func": "f"})


def test_weights_are_removed_on_demand(net, tmp_path):
    model, x = net
    quantizer = QATQuantizer(model, x, tmp_path, {"remove_weights_after_load": True})
    assert len(quantizer.quantize().state_dict()) > 5
    assert not list(tmp_path.glob("*.pth"))
    with pytest.raises(tinyml.Error, match="is 'remove_weights_after_load' meant"):
        QATQuantizer(model, x, tmp_path, {"remove_weights_after_lod": True})


def test_the_loop_of_other_tools(net, tmp_path):
    """Observers and rounding switched by torch's functions, convert() called with the module."""
    model, x = net
    batches = [torch.randn(4, 3, 16, 16) for _ in range(3)]
    config = {"asymmetric": True, "backend": "qnnpack", "per_tensor": False, "algorithm": "l2"}
    quantizer = PostQuantizer(nn.DataParallel(model), x, tmp_path, config)
    module = quantizer.quantize()
    module.apply(torch.quantization.disable_fake_quant)
    module.apply(torch.quantization.enable_observer)
    with torch.no_grad():
        for batch in batches:
            module(batch)
        assert torch.allclose(module(x), model(x), atol=1e-5)  # nothing is rounded yet
        module.apply(torch.quantization.disable_observer)
        module.apply(torch.quantization.enable_fake_quant)
        scales = [fake.scale.clone() for _, fake in qnn.fake_quantizers(module)]
        rounded = module(x)
        module(100 * x)
        assert all(
            torch.equal(fake.scale, scale)
            for (_, fake), scale in zip(qnn.fake_quantizers(module), scales, strict=True)
        )
    final = quantizer.convert(module.eval())
    expected = PostQuantizer(model, x, tmp_path, {**config, "bias_correction": False})
    with torch.no_grad():
        assert 20 < snr(rounded, model(x)) < 60
        assert torch.allclose(final(x), expected.calibrate([*batches, x])(x), atol=1e-6)
    trained = QATQuantizer(model, x, tmp_path).quantize()
    trained(x)
    trained.apply(torch.quantization.disable_observer)
    before = {name: fake.scale.clone() for name, fake in qnn.fake_quantizers(trained)}
    trained(100 * x)
    after = {name: fake.scale for name, fake in qnn.fake_quantizers(trained)}
    assert all(torch.equal(after[name], scale) for name, scale in before.items())


def test_keys_of_other_tools_are_explained(net, tmp_path):
    model, x = net
    with pytest.raises(tinyml.Error) as caught:
        QATQuantizer(model, x, tmp_path, {"rewrite_graph": False, "asymetric": True})
    assert "'quantize_op_action' asks for more" in str(caught.value)
    assert "is 'asymmetric' meant" in str(caught.value)
    with pytest.raises(tinyml.Error, match="also called 'qnnpack'"):
        QATQuantizer(model, x, tmp_path, {"backend": "tensorrt"})
