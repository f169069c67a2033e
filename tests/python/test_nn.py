"""FakeQuant modules: what they compute, train, export and store."""

import copy

import pytest
import torch
from torch import nn

import tinyml.nn as qnn
from tinyml.nn.rounding import fake_quantize


def reference(x, scale, zero_point, low=-128, high=127):
    q = (x / scale).round() + zero_point
    return (q.clamp(low, high) - zero_point) * scale


def exported_ops(model, x):
    program = torch.export.export(model.eval(), (x,))
    return [str(n.target) for n in program.graph.nodes if n.op == "call_function"], program


def test_eval_export_is_exactly_one_node():
    fq = qnn.FakeQuantize().train()
    x = torch.randn(4, 7)
    fq(x)
    ops, program = exported_ops(fq, x)
    assert ops == ["aten.fake_quantize_per_tensor_affine.tensor_qparams"]
    assert torch.equal(program.module()(x), fq(x))
    ops, _ = exported_ops(qnn.FakeQuantize(fixed=(1 / 256, -128)), x)
    assert ops == ["aten.fake_quantize_per_tensor_affine.default"]
    ops, _ = exported_ops(qnn.WeightFakeQuantize(4), x)
    assert ops == ["aten.fake_quantize_per_channel_affine.default"]


@pytest.mark.parametrize("observer", ["moving_average", "min_max", "mse", "percentile", "kl"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_observing_covers_the_range_and_rounds_to_the_grid(observer, symmetric):
    torch.manual_seed(0)
    fq = qnn.FakeQuantize(observer=observer, symmetric=symmetric).train()
    x = torch.rand(64, 64) * 5 - 1
    fq(x)
    if symmetric:
        assert fq.zero_point.item() == 0
    fq.eval()
    y = fq(x)
    assert torch.allclose(y, reference(x, fq.scale, fq.zero_point), atol=1e-5)
    assert (y - x).abs().max() <= 0.75 * fq.scale.item()
    assert fq(torch.zeros(3)).abs().max() == 0


def test_calibration_observes_in_eval_and_passes_values_through():
    fq = qnn.FakeQuantize(observer="min_max").eval()
    model = nn.Sequential(fq)
    with qnn.calibrating(model):
        for bound in (1.0, 3.0, 2.0):
            x = torch.linspace(-bound, bound, 11)
            assert torch.equal(model(x), x)
    assert fq.scale.item() == pytest.approx(6.0 / 255.0)


def test_the_histogram_clips_where_it_pays():
    torch.manual_seed(0)
    x = torch.randn(200, 100)
    errors = {}
    for observer in ("min_max", "mse"):
        fq = qnn.FakeQuantize(-8, 7, observer=observer).eval()
        with qnn.calibrating(fq):
            for part in x.split(50):
                fq(part)
        errors[observer] = (fq(x) - x).square().mean().item()
    assert errors["mse"] < 0.6 * errors["min_max"]


def test_switches():
    model = nn.Sequential(qnn.QuantConv2d(3, 4, 3), qnn.FakeQuantize()).train()
    x = torch.randn(2, 3, 8, 8)
    model(x)
    scales = [model[0].weight_fq.scale.clone(), model[1].scale.clone()]
    qnn.set_observers(model, False)
    with torch.no_grad():
        model[0].weight.mul_(2)
    model(x * 3)
    assert torch.equal(model[0].weight_fq.scale, scales[0])
    assert torch.equal(model[1].scale, scales[1])
    qnn.set_fake_quant(model, False)
    assert torch.equal(model(x), nn.functional.conv2d(x, model[0].weight, model[0].bias))
    other = copy.deepcopy(model)
    other.load_state_dict(model.state_dict())
    assert not other[1].quantizing
    assert not other[1].observing


LAYERS = [
    (lambda: nn.Conv1d(3, 4, 3, padding=1), nn.BatchNorm1d, qnn.ConvBn1d, (2, 3, 9)),
    (lambda: nn.Conv2d(3, 4, 3, stride=2, bias=False), nn.BatchNorm2d, qnn.ConvBn2d, (2, 3, 9, 9)),
    (lambda: nn.Conv2d(4, 8, 3, groups=4), nn.BatchNorm2d, qnn.ConvBn2d, (2, 4, 6, 6)),
    (
        lambda: nn.ConvTranspose2d(3, 4, 3, stride=2, output_padding=1),
        nn.BatchNorm2d,
        qnn.ConvTransposeBn2d,
        (2, 3, 5, 5),
    ),
    (
        lambda: nn.ConvTranspose2d(4, 4, 2, stride=2, groups=4, bias=False),
        nn.BatchNorm2d,
        qnn.ConvTransposeBn2d,
        (2, 4, 5, 5),
    ),
    (lambda: nn.Linear(6, 4), nn.BatchNorm1d, qnn.LinearBn1d, (5, 6)),
]


def make_pair(make_layer, norm_class, folded_class, **kwargs):
    """The separate layers, and the folded one with the same weights."""
    torch.manual_seed(0)
    layer = make_layer()
    channels = getattr(layer, "out_channels", None) or layer.out_features
    norm = norm_class(channels)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
    if isinstance(layer, nn.Linear):
        folded = folded_class(6, 4, **kwargs)
    else:
        names = ("kernel_size", "stride", "padding", "dilation", "groups")
        settings = {name: getattr(layer, name) for name in names}
        if layer.transposed:
            settings["output_padding"] = layer.output_padding
        bias = layer.bias is not None
        folded = folded_class(
            layer.in_channels, layer.out_channels, bias=bias, **settings, **kwargs
        )
    state = dict(layer.state_dict())
    state.update({f"bn.{name}": value for name, value in norm.state_dict().items()})
    missing, unexpected = folded.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.startswith("weight_fq") for name in missing)
    return nn.Sequential(layer, norm), folded


@pytest.mark.parametrize(("layer", "norm", "folded", "shape"), LAYERS)
def test_without_rounding_a_folded_layer_is_the_separate_ones(layer, norm, folded, shape):
    separate, folded = make_pair(layer, norm, folded, weight_range=None)
    x = torch.randn(shape)
    for mode in (False, True, False):  # the last with the statistics that training moved
        separate.train(mode)
        folded.train(mode)
        assert torch.allclose(separate(x), folded(x), atol=1e-4)
    separate.train()
    folded.train()
    gradient = torch.randn_like(separate(x))
    separate(x).backward(gradient)
    folded(x).backward(gradient)
    assert torch.allclose(separate[0].weight.grad, folded.weight.grad, atol=1e-3)
    assert torch.allclose(separate[1].weight.grad, folded.bn.weight.grad, atol=1e-3)
    assert torch.allclose(separate[1].bias.grad, folded.bn.bias.grad, atol=1e-3)


@pytest.mark.parametrize(("layer", "norm", "folded", "shape"), LAYERS)
@pytest.mark.parametrize("frozen", [False, True])
def test_gradients_reach_weight_gamma_and_beta(layer, norm, folded, shape, frozen):
    _, layer = make_pair(layer, norm, folded)
    layer.train()
    if frozen:
        qnn.freeze_bn(layer)
        assert not layer.train().bn.training
    before = layer.bn.running_mean.clone()
    y = layer(torch.randn(shape))
    (y * torch.randn_like(y)).sum().backward()
    assert torch.equal(before, layer.bn.running_mean) == frozen
    for parameter in (layer.weight, layer.bn.weight, layer.bn.bias):
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.abs().max() > 1e-4
    qnn.unfreeze_bn(layer)
    assert layer.bn.training


def test_a_zero_gamma_trains():
    _, layer = make_pair(LAYERS[1][0], nn.BatchNorm2d, qnn.ConvBn2d)
    with torch.no_grad():
        layer.bn.weight[0] = 0.0
    y = layer.train()(torch.randn(2, 3, 9, 9))
    y.square().sum().backward()
    assert torch.isfinite(y).all()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())


def test_eval_brings_the_weight_scale_up_to_date():
    _, layer = make_pair(LAYERS[1][0], nn.BatchNorm2d, qnn.ConvBn2d)
    layer.train()
    layer(torch.randn(2, 3, 9, 9))
    with torch.no_grad():
        layer.weight.mul_(3.0)
    layer.eval()
    largest = layer.effective_weight().abs().amax(dim=(1, 2, 3))
    assert torch.allclose(layer.weight_fq.scale * 127, largest)


def test_eval_export_of_a_folded_layer():
    _, layer = make_pair(LAYERS[1][0], nn.BatchNorm2d, qnn.ConvBn2d)
    layer.train()
    layer(torch.randn(2, 3, 9, 9))
    ops, _ = exported_ops(layer, torch.randn(2, 3, 9, 9))
    assert ops.count("aten.fake_quantize_per_channel_affine.default") == 1
    assert ops[-1] == "aten.conv2d.default"
    assert not any("batch_norm" in op for op in ops)


def test_state_dict_round_trip_and_weights_without_statistics():
    torch.manual_seed(0)
    make = lambda: nn.Sequential(qnn.FakeQuantize(), qnn.ConvBn2d(3, 4, 3), qnn.FakeQuantize())  # noqa: E731
    model = make().train()
    x = torch.randn(2, 3, 8, 8)
    for _ in range(3):
        model(x)
    model.eval()
    other = make()
    other.load_state_dict(model.state_dict())
    other.eval()
    assert torch.equal(model(x), other(x))
    kept = {
        name: value
        for name, value in model.state_dict().items()
        if not name.endswith(("running_min", "running_max", "enabled"))
    }
    third = make()
    third.load_state_dict(kept)
    assert torch.equal(model(x), third.eval()(x))
    third.train()(x)  # statistics start again with the first batch
    assert third[0].running_min.item() == pytest.approx(x.min().item())


def test_requantize_shares_the_scale():
    fq, pool, again = qnn.FakeQuantize().train(), nn.AvgPool2d(2), qnn.Requantize()
    x = torch.randn(1, 3, 8, 8)
    y = again(pool(fq(x)), fq.scale, fq.zero_point)
    integers = y / fq.scale
    assert torch.allclose(integers, integers.round(), atol=1e-3)


@pytest.mark.parametrize(
    "arguments",
    [
        {"observer": "median"},
        {"quant_min": 5, "quant_max": 5},
        {"quant_min": 0, "quant_max": 127, "symmetric": True},
    ],
)
def test_bad_settings_are_refused(arguments):
    with pytest.raises(ValueError, match=r"."):
        qnn.FakeQuantize(**arguments)


@pytest.mark.parametrize(
    ("scale", "zero_point", "low", "high"),
    [(0.0235, -128, -128, 127), (0.0371, 3, -128, 127), (0.1, -3, -8, 7), (1e-4, 0, -32768, 32767)],
)
def test_rounding_equals_aten(scale: float, zero_point: int, low: int, high: int) -> None:
    x = torch.cat([torch.randn(20000), (torch.arange(1000) - 500 + 0.5) * scale]).requires_grad_()
    as_tensors = torch.tensor([scale]), torch.tensor([zero_point], dtype=torch.int32)
    cotangent = torch.randn_like(x)
    for given in (as_tensors, (scale, zero_point)):
        expected = torch.fake_quantize_per_tensor_affine(x, *given, low, high)
        y = fake_quantize(x, *given, low, high)
        assert torch.equal(y, expected)
        ours, aten = (torch.autograd.grad(v, x, cotangent)[0] for v in (y, expected))
        inside = (x / scale).round() + zero_point
        at_the_edge = (inside < low + 1) | (inside > high - 1)  # a tie may count as inside or not
        assert torch.equal(ours[~at_the_edge], aten[~at_the_edge])
        assert (ours != aten).float().mean() < 1e-3


@pytest.mark.parametrize("axis", [0, 1])
def test_rounding_by_channel_equals_aten(axis: int) -> None:
    weight = torch.randn(6, 5, 3, 3, requires_grad=True)
    scale = torch.rand(weight.shape[axis]) * 0.02 + 0.01
    zero_point = torch.zeros(weight.shape[axis], dtype=torch.int32)
    expected = torch.fake_quantize_per_channel_affine(weight, scale, zero_point, axis, -90, 90)
    y = fake_quantize(weight, scale, zero_point, -90, 90, axis)
    assert torch.equal(y, expected)
    cotangent = torch.randn_like(weight)
    gradients = [torch.autograd.grad(v, weight, cotangent)[0] for v in (y, expected)]
    assert torch.equal(*gradients)
    assert 0.01 < (gradients[0] == 0).float().mean() < 0.9  # some were clamped, most were not


def test_a_captured_training_step_has_atens_operators() -> None:
    model = nn.Sequential(qnn.QuantConv2d(3, 4, 3), qnn.FakeQuantize()).train()
    x = torch.randn(2, 3, 8, 8)
    model(x)
    program = torch.export.export(model, (x,))
    operators = {str(n.target) for n in program.graph.nodes if n.op == "call_function"}
    assert "aten.fused_moving_avg_obs_fake_quant.default" in operators
    assert "aten.fake_quantize_per_channel_affine.default" in operators
