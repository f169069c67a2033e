"""Example inputs as a tensor, a tuple, a list, a dict, nested: every entry takes all of them."""

import pytest
import torch
from torch import nn

import tinyml
from tinyml import (
    DeQuantizer,
    DynamicQuantizer,
    OneShotChannelPruner,
    PostQuantizer,
    QATQuantizer,
    TFLiteConverter,
)
from tinyml.arguments import samples_of, tensors_of
from tinyml.prune import recalibrate_batch_norm


class Pair(nn.Module):
    """Two inputs that are not alike: in the wrong order nothing fits."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.side = nn.Linear(5, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, image, vector):
        x = torch.relu(self.bn(self.conv(image))).mean((2, 3))
        return self.head(x * torch.sigmoid(self.side(vector)))


class Nested(Pair):
    def forward(self, inputs):
        return super().forward(inputs["image"], inputs["rest"][0])


IMAGE, VECTOR = torch.randn(2, 3, 6, 6), torch.randn(2, 5)
FORMS = {
    "tuple": (Pair, (IMAGE, VECTOR)),
    "list": (Pair, [IMAGE, VECTOR]),
    "dict": (Pair, {"image": IMAGE, "vector": VECTOR}),
    "reordered": (Pair, {"vector": VECTOR, "image": IMAGE}),
    "nested": (Nested, ({"image": IMAGE, "rest": [VECTOR]},)),
    "nested_dict": (Nested, {"inputs": {"image": IMAGE, "rest": [VECTOR]}}),
}


@pytest.fixture(params=FORMS)
def form(request):
    torch.manual_seed(0)
    make, example = FORMS[request.param]
    return make().eval(), example


def test_quantizers_and_what_follows(form, tmp_path):
    model, example = form
    expected = Pair.forward(model, IMAGE, VECTOR)
    config = {"adaptive_rounding": True, "bias_correction": True}
    quantizer = PostQuantizer(model, example, tmp_path, config)
    module = quantizer.calibrate([example])
    with torch.no_grad():
        outputs = tinyml.arguments.call(module, example)
    assert (outputs - expected).abs().max() < 0.05 * expected.abs().max()
    path = tmp_path / "m.tflite"
    TFLiteConverter(module, example, tflite_path=path).convert()
    found = tinyml.explain(path, module, [example])
    assert found.outputs[0].snr_db > 25
    back = DeQuantizer(module, example, tmp_path / "back").dequantize()
    with torch.no_grad():
        assert torch.allclose(tinyml.arguments.call(back, example), expected, atol=1e-2)


def test_training_and_weights_alone(form, tmp_path):
    model, example = form
    quantizer = QATQuantizer(model, example, tmp_path)
    module = quantizer.quantize()
    tinyml.arguments.call(module, example).sum().backward()
    assert not quantizer.convert().training
    DynamicQuantizer(model, example, tmp_path).quantize()
    assert tinyml.cross_layer_equalize(model, example) is model


def test_pruning(form):
    model, example = form
    assert recalibrate_batch_norm(model, [example]) == 1
    pruner = OneShotChannelPruner(model, example, {"sparsity": 0.5, "metrics": "apoz"})
    pruned = pruner.prune(batches=[example])
    assert pruned.conv.out_channels == 4
    assert pruner.reconstruct([example])
    assert tinyml.arguments.call(pruned, example).shape == (2, 4)


def test_batches_are_cut_to_the_examples_size():
    example = {"image": IMAGE, "vector": VECTOR}
    batch = {"vector": torch.randn(5, 5), "image": torch.randn(5, 3, 6, 6)}  # another order
    with pytest.warns(UserWarning, match="1 examples of a batch are left out"):
        parts = samples_of(batch, example)
    assert [[list(t.shape) for t in part] for part in parts] == [[[2, 3, 6, 6], [2, 5]]] * 2
    assert torch.equal(parts[1][0], batch["image"][2:4])
    with pytest.raises(tinyml.Error, match="does not divide"):
        samples_of({"image": IMAGE[:1], "vector": VECTOR[:1]}, example)
    with pytest.raises(tinyml.Error, match="a batch has"):
        tensors_of({"image": IMAGE}, example)
    with pytest.raises(tinyml.Error, match="3 values where the example has 2"):
        tensors_of((IMAGE, VECTOR, VECTOR), (IMAGE, VECTOR))
