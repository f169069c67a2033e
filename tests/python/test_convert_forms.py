"""Each form: the numbers it has to keep, on every set of kernels, and the operators it promises."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import tinyml
from conversion import convert_module, outputs_of, random_input
from tinyml import _core
from tinyml.verification import run_tflite

KERNELS = ("xnnpack", "builtin", "reference")


def quantize(x, scale=0.05, zero_point=-3):
    return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, -128, 127)


class Quantized(nn.Module):
    """A layer between FakeQuants, with a FakeQuant a channel on its weights."""

    def __init__(self, layer, after=None, out_scale=0.1, axis=0):
        super().__init__()
        self.layer, self.after, self.out_scale, self.axis = (
            layer,
            after or nn.Identity(),
            out_scale,
            axis,
        )
        dims = [dim for dim in range(layer.weight.dim()) if dim != axis]
        self.register_buffer(
            "scale", (layer.weight.detach().abs().amax(dims) / 127).clamp(min=1e-6)
        )
        self.register_buffer("zero", torch.zeros(len(self.scale), dtype=torch.int32))

    def forward(self, x):
        weight = torch.fake_quantize_per_channel_affine(
            self.layer.weight, self.scale, self.zero, self.axis, -127, 127
        )
        layer = self.layer
        if isinstance(layer, nn.ConvTranspose2d):
            y = F.conv_transpose2d(
                quantize(x), weight, layer.bias, layer.stride, layer.padding, layer.output_padding,
                layer.groups,
            )  # fmt: skip
        else:
            y = layer._conv_forward(quantize(x), weight, layer.bias)
        return self.after(quantize(y, self.out_scale, 4))


def run(result, inputs, kernel):
    def outputs(kernels):
        return run_tflite(
            result.to_bytes(),
            [x.numpy() for x in inputs],
            input_orders=result.input_orders,
            output_orders=result.output_orders,
            kernels=kernels,
        )

    try:
        return outputs(kernel)
    except ValueError as error:  # the runtime has no reference kernels of a few operators
        if kernel != "reference" or "Didn't find op for builtin opcode" not in str(error):
            raise
        return outputs("builtin")


def compare(model, form, *inputs, step=None, **options):
    """Converts with and without the form: equal to rounding, or to one step of the output's scale.

    Returns the operators of both.
    """
    model = model.eval() if isinstance(model, nn.Module) else model
    usual = convert_module(model, *inputs, forms=[f"-{form}"], **options)
    formed = convert_module(model, *inputs, forms=[f"+{form}"], **options)
    assert formed.operators != usual.operators, "the form was not written"
    with torch.no_grad():
        expected = outputs_of(model(*inputs))
    for kernel in KERNELS:
        for before, after, truth in zip(
            run(usual, inputs, kernel), run(formed, inputs, kernel), expected, strict=True
        ):
            error = abs(torch.from_numpy(after) - truth).max().item()
            if step is None:
                bound = 2e-5 * (1 + truth.abs().max().item())
            else:  # as near as the usual form, and one step at most from it
                bound = step * 1.01
                assert abs(after - before).max() <= bound, kernel
            assert error <= bound, (kernel, error)
    return dict(usual.operators), dict(formed.operators)


# --- joins of functions of one INT8 value

FUNCTIONS = {
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "logsigmoid": F.logsigmoid,
    "selu": F.selu,
    "celu": lambda x: F.celu(x, 0.7),
    "square_minus": lambda x: x * x - x,
    "tanhshrink": lambda x: x - torch.tanh(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_tables(name):
    x = torch.linspace(-6.4, 6.4, 520).reshape(1, 5, 104)
    function = FUNCTIONS[name]
    low, high = (f(function(x)).item() for f in (torch.min, torch.max))
    scale = (high - low) / 255
    zero = round(-128 - low / scale)
    usual, formed = compare(
        lambda v: quantize(function(quantize(v)), scale, zero), "tables", x, step=scale
    )
    if name == "silu":
        assert formed == {"QUANTIZE": 1, "LOGISTIC": 1, "MUL": 1, "DEQUANTIZE": 1}
    if name == "softplus":  # one chain, nothing joined
        assert formed == {"QUANTIZE": 2, "EXP": 1, "ADD": 1, "LOG": 1, "DEQUANTIZE": 2}
    assert sum(formed.values()) <= sum(usual.values()) + 4


def test_tables_leaves_what_would_be_further_than_one_step():
    """A product of two wide functions: no INT8 operands for it are fine enough."""
    x = torch.linspace(-6.4, 6.4, 520).reshape(1, 5, 104)
    function = lambda v: quantize(torch.exp(quantize(v)) * torch.exp(-quantize(v)), 1 / 64, -128)  # noqa: E731
    result = convert_module(function, x, forms=["+tables"])
    assert result.operators["EXP"] == 2
    assert result.operators["QUANTIZE"] == 2
    for kernel in KERNELS:
        assert abs(run(result, [x], kernel)[0] - function(x).numpy()).max() <= 1 / 64


# --- convolutions


def test_linear():
    x = random_input(1, 24, 1, 1)
    conv = nn.Conv2d(24, 10, 1)
    usual, formed = compare(nn.Sequential(conv, nn.ReLU()), "linear", x)
    assert usual == {"CONV_2D": 1}
    assert formed == {"FULLY_CONNECTED": 1}
    _, formed = compare(Quantized(conv), "linear", x, step=0.1)
    assert formed["FULLY_CONNECTED"] == 1


STEMS = {
    "3x3": (nn.Conv2d(3, 8, 3, 2, 1), (1, 3, 16, 16)),
    "7x7": (nn.Conv2d(3, 8, 7, 2, 3), (1, 3, 16, 20)),
    "valid": (nn.Conv2d(3, 8, 3, 2), (1, 3, 15, 16)),
    "one_channel": (nn.Conv2d(1, 8, (10, 4), 2, (5, 1)), (1, 1, 49, 10)),
    "four": (nn.Conv2d(3, 8, 4, 4), (1, 3, 16, 16)),
    "patch": (nn.Conv2d(3, 8, 8, 8), (2, 3, 16, 24)),
}


@pytest.mark.parametrize("name", STEMS)
def test_fold_width(name):
    layer, shape = STEMS[name]
    _, formed = compare(Quantized(layer), "fold-width", random_input(*shape), step=0.1)
    assert formed["RESHAPE"] == 1
    if name in ("four", "patch"):
        compare(layer, "fold-width", random_input(*shape))


class Focus(nn.Module):
    def __init__(self, kernel):
        super().__init__()
        self.conv = nn.Conv2d(12, 8, kernel, 1, kernel // 2)

    def slices(self, x):
        return torch.cat(
            [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1
        )

    def forward(self, x):
        return self.conv(self.slices(x))


@pytest.mark.parametrize("kernel", [1, 3])
def test_focus(kernel):
    model, x = Focus(kernel), random_input(1, 3, 16, 16)
    usual, formed = compare(model, "focus", x)
    assert usual["STRIDED_SLICE"] >= 4
    assert formed.keys() <= {"CONV_2D", "RESHAPE", "PAD"}
    quantized = Quantized(model.conv)

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = quantized

        def forward(self, x):
            return self.inner(model.slices(quantize(x)))

    _, formed = compare(Whole(), "focus", x, step=0.1)
    assert "STRIDED_SLICE" not in formed


TRANSPOSED = {
    "k2s2": nn.ConvTranspose2d(6, 5, 2, 2),
    "k3s2": nn.ConvTranspose2d(6, 5, 3, 2, 1, 1),
    "k3s2_odd": nn.ConvTranspose2d(6, 5, 3, 2, 1),
    "k4s2": nn.ConvTranspose2d(6, 5, 4, 2, 1),
    "k3s2_whole": nn.ConvTranspose2d(6, 5, 3, 2),
    "k5s2": nn.ConvTranspose2d(6, 5, 5, 2, 2, 1),
    "k3s3": nn.ConvTranspose2d(6, 5, 3, 3),
    "no_bias": nn.ConvTranspose2d(6, 5, 2, 2, bias=False),
}


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed(name):
    layer, x = TRANSPOSED[name], random_input(1, 6, 5, 7)
    usual, formed = compare(layer, "transposed", x)
    assert usual["TRANSPOSE_CONV"] == 1
    assert "TRANSPOSE_CONV" not in formed
    assert formed["DEPTH_TO_SPACE"] == 1
    if name in ("k2s2", "k3s3"):
        assert formed == {"CONV_2D": 1, "DEPTH_TO_SPACE": 1}
    _, formed = compare(Quantized(layer, axis=1), "transposed", x, step=0.1)
    assert "TRANSPOSE_CONV" not in formed


GROUPED = {
    "depthwise": nn.ConvTranspose2d(6, 6, 4, 2, 1, groups=6),
    "depthwise_k3": nn.ConvTranspose2d(6, 6, 3, 2, 1, 1, groups=6),
    "odd": nn.ConvTranspose2d(6, 6, 3, 2, groups=6),
    "groups": nn.ConvTranspose2d(6, 4, 4, 2, 1, groups=2),
}


@pytest.mark.parametrize("name", GROUPED)
def test_grouped_transposed_convolutions_are_phases(name):
    layer, x = GROUPED[name], random_input(1, 6, 5, 7)
    models = [(layer, 2e-5)]
    if name != "groups":
        models.append((Quantized(layer, axis=0), 0.101))
    for model, bound in models:
        result = convert_module(model, x)
        kind = "CONV_2D" if name == "groups" else "DEPTHWISE_CONV_2D"
        assert result.operators[kind] == 4
        assert not {"TRANSPOSE_CONV", "TRANSPOSE"} & set(result.operators)
        with torch.no_grad():
            truth = model(x).numpy()
        for kernel in ("xnnpack", "builtin") if name == "groups" else KERNELS:
            assert abs(run(result, [x], kernel)[0] - truth).max() <= bound, kernel


STRIPS = {
    "7x7": nn.Conv2d(6, 6, 7, 1, 3, groups=6),
    "7x7s2": nn.Conv2d(6, 6, 7, 2, 3, groups=6),
    "1x31": nn.Conv2d(6, 6, (1, 31), 1, (0, 15), groups=6),
    "9x9": nn.Conv2d(6, 6, 9, 1, 4, groups=6),
}


@pytest.mark.parametrize("name", STRIPS)
def test_strips(name):
    layer, x = STRIPS[name], random_input(1, 6, 14, 32)
    _, formed = compare(nn.Sequential(layer, nn.ReLU()), "strips", x)
    assert formed["DEPTHWISE_CONV_2D"] > 1
    compare(Quantized(layer), "strips", x, step=0.1)


READERS = {
    "conv": nn.Conv2d(12, 5, 3),
    "chain": nn.Sequential(nn.MaxPool2d(2), nn.Hardswish(), nn.Conv2d(12, 5, 1)),
    "depthwise": nn.Sequential(nn.Conv2d(12, 24, 3, groups=12), nn.ReLU(), nn.Conv2d(24, 5, 1)),
    "linear": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5)),
    "flattened": nn.Sequential(nn.Flatten(), nn.Linear(12 * 12 * 10, 5)),
}


@pytest.mark.parametrize("name", READERS)
def test_multiplier(name):
    torch.manual_seed(0)
    layer, x = nn.Conv2d(6, 12, 3, 1, 1, groups=6), random_input(1, 6, 12, 10)
    usual, formed = compare(nn.Sequential(layer, nn.ReLU6(), READERS[name]), "multiplier", x)
    more = 3 if name == "depthwise" else 1  # whose own two are two each
    assert formed["DEPTHWISE_CONV_2D"] == usual["DEPTHWISE_CONV_2D"] + more - (name == "depthwise")
    assert "TRANSPOSE" not in formed
    assert "GATHER" not in formed


@pytest.mark.parametrize("multiplier", [2, 3, 5])
def test_multiplier_of_integers(multiplier):
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 6 * multiplier, 3, 2, 1, groups=6)
    model = nn.Sequential(Quantized(layer), Quantized(nn.Conv2d(6 * multiplier, 4, 1)))
    # One step of the first layer's may become several of the second's.
    usual, formed = compare(model, "multiplier", random_input(1, 6, 11, 8), step=0.3)
    assert usual["DEPTHWISE_CONV_2D"] == 1
    assert formed["DEPTHWISE_CONV_2D"] == multiplier


def test_multiplier_whose_order_is_seen_stays():
    layer, x = nn.Conv2d(6, 12, 3, groups=6), random_input(1, 6, 9, 8)

    class Seen(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.layer, self.function, self.head = layer, function, nn.Conv2d(12, 4, 1)

        def forward(self, x):
            y = self.layer(x)
            return self.function(y), self.head(y)

    for function in (torch.tanh, lambda y: y.softmax(1), lambda y: y[:, 1:4] * 2):
        result = convert_module(Seen(function).eval(), x, forms=["+multiplier"])
        assert result.operators["DEPTHWISE_CONV_2D"] == 1


@pytest.mark.parametrize("groups", [2, 4, 8])
def test_groups(groups):
    layer, x = nn.Conv2d(32, 16, 3, groups=groups), random_input(1, 32, 7, 7)
    merged = {2: 2, 4: 2, 8: 4}[groups]
    for model, step in ((layer, None), (Quantized(layer), 0.1)):
        usual = convert_module(model, x, forms=["-groups"])
        formed = convert_module(model, x, forms=["+groups"])
        assert (len(formed.to_bytes()) > len(usual.to_bytes())) == (32 // groups < 16)
        with torch.no_grad():
            truth = model(x).numpy()
        for kernel in ("xnnpack", "builtin"):  # the reference kernels have no groups
            error = abs(run(formed, [x], kernel)[0] - truth).max()
            assert error <= (1e-5 if step is None else step * 1.01), (merged, kernel)


# --- pooling, resizing, splitting


def test_max_pool():
    x = random_input(1, 4, 8, 8)
    pool = lambda v: F.max_pool2d(quantize(v), 3, 2, 1)  # noqa: E731
    _, formed = compare(pool, "max-pool", x, step=1e-6)
    assert formed["CONCATENATION"] == 2
    assert formed.keys() & {"PAD", "PADV2"} == set()


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 1), (3, 2)])
def test_average_pool(size, stride):
    x = random_input(1, 4, 9, 9)
    pool = lambda v: quantize(F.avg_pool2d(quantize(v), size, stride), 0.04, 2)  # noqa: E731
    _, formed = compare(pool, "average-pool", x, step=0.04)
    assert formed == {"QUANTIZE": 1, "DEPTHWISE_CONV_2D": 1, "DEQUANTIZE": 1}


def test_broadcast():
    x = random_input(1, 4, 6, 6)

    def gate(v):
        v = quantize(v)
        return quantize(v * quantize(torch.sigmoid(v.mean((2, 3), True)), 1 / 256, -128), 0.04, 2)

    _, formed = compare(gate, "broadcast", x, step=0.04)
    assert formed["DEQUANTIZE"] > 2


def test_nearest():
    x = random_input(1, 4, 5, 6)
    resize = lambda v: F.interpolate(quantize(v), scale_factor=2)  # noqa: E731
    for choice in ("+nearest", "-nearest"):
        result = convert_module(resize, x, forms=[choice])
        for kernel in KERNELS:
            assert abs(run(result, [x], kernel)[0] - resize(x).numpy()).max() <= 1e-6


SATURATING = {
    "relu": (F.relu, 0.03, -128),
    "relu6": (F.relu6, 6 / 255, -128),
    "clip": (lambda x: x.clamp(-1, 1), 1 / 128, 0),
    "unit": (lambda x: x.clamp(0, 1), 1 / 255, -128),
    "at_least": (lambda x: x.clamp(min=-0.5), 0.01, -78),
}


@pytest.mark.parametrize("name", SATURATING)
def test_activations_that_the_range_clips_anyway_are_quantize(name):
    function, scale, zero_point = SATURATING[name]
    x = random_input(1, 4, 9, 9)

    def clipped(x):
        return quantize(function(quantize(x)), scale, zero_point)

    result = convert_module(clipped, x)
    assert result.operators == {"QUANTIZE": 2, "DEQUANTIZE": 1}
    for kernel in KERNELS:
        assert abs(run(result, [x], kernel)[0] - clipped(x).numpy()).max() <= scale * 1.01


# --- choosing


def test_unknown_forms_are_named():
    with pytest.raises(tinyml.Error, match="fold-width"):
        convert_module(nn.ReLU(), random_input(1, 4), forms=["+fast"])
    with pytest.raises(tinyml.Error, match="always"):
        convert_module(nn.ReLU(), random_input(1, 4), forms=["tables"])


@pytest.mark.parametrize("target", _core.target_names())
def test_every_target_writes_right_files(target):
    model = Quantized(nn.Conv2d(3, 8, 3, 2, 1), nn.SiLU())

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            y = quantize(self.inner(x), 0.08, -120)
            y = quantize(F.avg_pool2d(y, 2), 0.08, -120)
            return quantize(F.hardswish(y), 0.08, -100)

    net, x = Net().eval(), random_input(1, 3, 16, 16)
    result = convert_module(net, x, target=target)
    with torch.no_grad():
        truth = net(x).numpy()
    for kernel in KERNELS:
        assert abs(run(result, [x], kernel)[0] - truth).max() <= 2 * 0.08
    if target in ("tflite-micro", "ethos-u"):  # no float operator between the boundaries
        assert result.operators["DEQUANTIZE"] == 1
        assert result.operators["QUANTIZE"] <= 2


WITHOUT_ISLANDS = {
    "softmax": lambda x: quantize(torch.softmax(quantize(x), 1), 1 / 200, -128),
    "sigmoid": lambda x: quantize(torch.sigmoid(quantize(x)), 1 / 200, -128),
    "prelu": lambda x: quantize(F.prelu(quantize(x), torch.tensor([0.1, 0.2, 0.3, 0.4])), 0.05),
    "clip": lambda x: quantize(quantize(x).clamp(-1.1, 0.9), 1 / 128, 0),
    "add": lambda x: quantize(quantize(x) + 1.5, 0.05, -30),
    "mul": lambda x: quantize(quantize(x) * torch.tensor([0.5, 1, 2, 3])[:, None, None], 0.1),
    "average": lambda x: quantize(F.avg_pool2d(quantize(x), 2), 0.03),
    "bilinear": lambda x: quantize(
        F.interpolate(quantize(x), scale_factor=2, mode="bilinear"), 0.04
    ),
}


@pytest.mark.parametrize("name", WITHOUT_ISLANDS)
def test_micro_runs_everything_in_int8(name):
    x, function = random_input(1, 4, 6, 6), WITHOUT_ISLANDS[name]
    result = convert_module(function, x, target="tflite-micro")
    assert result.operators["DEQUANTIZE"] == 1
    assert not result.target_issues
    for kernel in ("builtin", "reference"):
        error = abs(run(result, [x], kernel)[0] - function(x).numpy()).max()
        assert error <= 0.1 * 1.01, (kernel, error)
