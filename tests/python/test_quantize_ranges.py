"""Ranges of integers other than those of 8 bits: of a tensor, and of each channel of a weight."""

import pytest
import torch
from torch import nn

import tinyml
from conversion import convert_module, run_all
from tinyml import PostQuantizer, QATQuantizer, TFLiteConverter
from tinyml import nn as qnn
from tinyml.verification import _make_interpreter

LIMITS = [7, 15, 31, 63, 127, 20]


class Small(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, bias=not norm)
        self.norm = nn.BatchNorm2d(6) if norm else nn.Identity()
        self.last = nn.Conv2d(6, 4, 1)

    def forward(self, x):
        return self.last(torch.relu(self.norm(self.conv(x))))


CONFIG = {
    "layers": {
        "conv": {
            "range": {"activation": [0, 127], "weight": [[-limit, limit] for limit in LIMITS]},
        }
    }
}


def integers(content: bytes) -> list[torch.Tensor]:
    """The integer weights of a file, by their size."""
    interpreter = _make_interpreter(content, "builtin")
    interpreter.allocate_tensors()
    found = []
    for detail in interpreter.get_tensor_details():
        if (
            detail["quantization_parameters"]["scales"].size > 1
            and detail["dtype"].__name__ == "int8"
        ):
            found.append(torch.from_numpy(interpreter.get_tensor(detail["index"]).copy()))
    return found


@pytest.mark.parametrize("norm", [False, True])
def test_each_channel_keeps_to_its_range(norm, tmp_path):
    torch.manual_seed(0)
    model = Small(norm).eval()
    batches = [torch.randn(1, 3, 8, 8) for _ in range(4)]
    quantizer = PostQuantizer(model, batches[0], tmp_path, CONFIG)
    module = quantizer.calibrate(batches)
    assert "channel_ranges=True" in quantizer.py_path.read_text()
    weight = module.conv.quantized_weight() / module.conv.weight_fq.scale.reshape(-1, 1, 1, 1)
    most = weight.round().abs().amax((1, 2, 3))
    limits = torch.tensor(LIMITS, dtype=most.dtype)
    assert (most <= limits).all()
    assert (most > 0.8 * limits).all()  # the scale is that of the least squared error
    content = convert_module(module, batches[0])
    with torch.no_grad():
        simulated = module(batches[0])
    step = [m for m in module.modules() if isinstance(m, qnn.FakeQuantize)][-1].scale.item()
    assert (
        run_all(content, [batches[0]], [simulated], kernels=("xnnpack",))[0].max_abs <= 1.01 * step
    )
    stored = next(w for w in integers(content.to_bytes()) if w.shape[0] == 6)
    assert stored.abs().amax((1, 2, 3)).tolist() == most.tolist()
    # 7 bits of a ReLU's result: int8 with zero point 0.
    hidden = next(
        m for m in module.modules() if isinstance(m, qnn.FakeQuantize) and m.quant_min == 0
    )
    assert (hidden.quant_max, hidden.zero_point.item()) == (127, 0)


def test_training_keeps_to_the_ranges_and_goes_back_to_float(tmp_path):
    torch.manual_seed(0)
    model = Small(True)
    x = torch.randn(4, 3, 8, 8)
    module = QATQuantizer(model, x, tmp_path / "q", CONFIG).quantize()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for step in range(4):
        qnn.set_observers(module, step < 2)  # the scales stay, the weights go on
        optimizer.zero_grad()
        module(x).square().mean().backward()
        optimizer.step()
    again = QATQuantizer(model, x, tmp_path / "q", CONFIG).quantize()
    again.load_state_dict(module.state_dict())
    module.eval()
    again.eval()
    assert torch.equal(module(x), again(x))
    weight = module.conv.quantized_weight() / module.conv.weight_fq.scale.reshape(-1, 1, 1, 1)
    assert (weight.round().abs().amax((1, 2, 3)) <= torch.tensor(LIMITS)).all()
    path = tmp_path / "model.tflite"
    TFLiteConverter(module, x, tflite_path=path).convert()
    stored = next(w for w in integers(path.read_bytes()) if w.shape[0] == 6)
    assert (stored.abs().amax((1, 2, 3)) <= torch.tensor(LIMITS)).all()
    plain = tinyml.DeQuantizer(module, x, work_dir=tmp_path / "f").dequantize()
    assert not [name for name in plain.state_dict() if "channel" in name]
    qnn.set_fake_quant(module, False)
    assert torch.allclose(plain.eval()(x), module(x), atol=1e-5)


def test_ranges_that_cannot_be_are_refused(tmp_path):
    model, x = Small(False).eval(), torch.randn(1, 3, 8, 8)
    for layer, message in (
        ({"range": {"weight": [[-7, 7]] * 5}}, "ranges for 5 channels, the weight has 6"),
        ({"range": {"weight": [-200, 127]}}, "range of integers"),
        ({"range": {"weight": [0, 127]}}, "symmetric"),
        ({"range": {"activation": [5, 127]}}, "range of integers"),
    ):
        with pytest.raises(tinyml.Error, match=message):
            QATQuantizer(model, x, tmp_path, {"layers": {"conv": layer}}).quantize()


class Joined(nn.Module):
    """A value and `factor` times itself, joined."""

    def __init__(self, factor):
        super().__init__()
        self.stem, self.more, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(8, 2, 1)
        with torch.no_grad():
            self.more.weight.copy_(factor * torch.eye(4)[:, :, None, None])
            self.more.bias.zero_()

    def forward(self, x):
        x = torch.relu(self.stem(x))
        return self.head(torch.cat([x, torch.relu(self.more(x))], 1))


@pytest.mark.parametrize(("factor", "requantizations"), [(1.1, 0), (1.9, 1)])
def test_parts_of_near_scales_share_one(factor, requantizations, tmp_path):
    torch.manual_seed(0)
    x = torch.randn(4, 3, 9, 9)
    model = PostQuantizer(Joined(factor), x, tmp_path, {"bias_correction": False}).calibrate([x])
    assert (model.fq_relu.scale == model.fq_cat.scale).item() == (requantizations == 0)
    result = convert_module(model, x, quantize_input_output_type="int8")
    assert result.operators.get("QUANTIZE", 0) == requantizations
    with torch.no_grad():
        expected = [model.eval()(x)]
    for error in run_all(convert_module(model, x), [x], expected):
        assert error.relative < 0.02, error
