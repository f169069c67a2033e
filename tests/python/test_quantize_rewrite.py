"""Operators that are rewritten for integers, and how much of a model may stay float."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import tinyml
from conversion import convert_module, run_all
from tinyml import PostQuantizer, QATQuantizer
from tinyml.nn import FakeQuantize
from tinyml.verification import measure_error


class Between(nn.Module):
    """A function between two convolutions."""

    def __init__(self, function):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.function = function
        self.last = nn.LazyConv2d(4, 1)

    def forward(self, x):
        return self.last(self.function(self.first(x)))


FUNCTIONS = {
    "glu": nn.GLU(1),
    "silu": nn.SiLU(),
    "glu_negative": lambda x: F.glu(x, -3),
    "addcmul": lambda x: torch.addcmul(x, x, x.sigmoid()),
    "lerp": lambda x: torch.lerp(x, x.sigmoid(), 0.3),
    "lerp_tensor": lambda x: torch.lerp(x, torch.relu(x), x.sigmoid()),
    "log_sigmoid": F.logsigmoid,
    "softshrink": F.softshrink,
    "sin": torch.sin,
    "softmin": lambda x: F.softmin(x, 1),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "pow": lambda x: x.pow(3) + x.abs().pow(0.5),
    "division": lambda x: x / torch.linspace(1, 2, 8).reshape(8, 1, 1),
    "reductions": lambda x: x.amax((2, 3), keepdim=True) - x.max(2, keepdim=True).values,
    "norm": lambda x: x.norm(dim=1, keepdim=True),
    "erf": torch.erf,
}


def make(function, tmp_path):
    torch.manual_seed(0)
    batches = [torch.randn(1, 3, 8, 8) for _ in range(4)]
    model = Between(function)
    model(batches[0])
    model.eval()
    quantizer = PostQuantizer(model, batches[0], tmp_path)
    return model, quantizer, quantizer.calibrate(batches), batches


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_stays_float(name, tmp_path):
    model, quantizer, module, batches = make(FUNCTIONS[name], tmp_path)
    assert not quantizer.report.float_operators, str(quantizer.report)
    x = batches[0]
    with torch.no_grad():
        tinyml.nn.set_fake_quant(module, False)
        assert torch.allclose(module(x), model(x), atol=2e-2)  # biases are rounded
        tinyml.nn.set_fake_quant(module, True)
        step = [m for m in module.modules() if isinstance(m, FakeQuantize)][-1].scale.item()
        errors = run_all(convert_module(module, x), [x], [module(x)], kernels=("xnnpack",))
    assert errors[0].max_abs <= 1.01 * step, errors


def test_a_gated_linear_unit_runs_on_integers(tmp_path):
    _, _, module, batches = make(nn.GLU(1), tmp_path)
    operators = convert_module(module, batches[0]).operators
    assert operators["LOGISTIC"] == 1
    assert operators["DEQUANTIZE"] == 1  # of the output


class HyperNetwork(nn.Module):
    """A layer whose weight is computed from the input."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.maker = nn.Linear(16, 16)
        self.last = nn.Linear(16, 4)

    def forward(self, x):
        x = self.first(x)
        return self.last(F.linear(x, self.maker(x)))


def test_a_model_that_stays_mostly_float_is_refused_unless_allowed(tmp_path):
    model, x = HyperNetwork().eval(), torch.randn(16, 8)
    with pytest.raises(
        tinyml.Error, match="its weight is computed from the model's input"
    ) as caught:
        QATQuantizer(model, x, tmp_path).quantize()
    assert "allow_float" in str(caught.value)
    assert not list(tmp_path.glob("*.py"))
    quantizer = QATQuantizer(model, x, tmp_path, {"allow_float": True})
    quantizer.quantize()
    assert quantizer.report.macs == 16 * (8 * 16 + 2 * 16 * 16 + 16 * 4)
    assert quantizer.report.quantized_macs == quantizer.report.macs - 16 * 16 * 16
    assert "% of the multiply-accumulates run on integers" in str(quantizer.report)
    QATQuantizer(model, x, tmp_path, {"ignore": ["aten.linear.default"]}).quantize()  # asked for


class Attention(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = norm
        self.query = nn.Linear(8, 8)
        self.key = nn.Linear(8, 8)
        self.value = nn.Linear(8, 8)
        self.out = nn.Linear(8, 8)

    def forward(self, x):
        y = self.norm(x)
        heads = [layer(y).unflatten(-1, (2, 4)).transpose(1, 2) for layer in self.projections()]
        y = F.scaled_dot_product_attention(*heads)
        return x + self.out(y.transpose(1, 2).flatten(2))

    def projections(self):
        return self.query, self.key, self.value


NORMS = {
    "layer_norm": (lambda: nn.LayerNorm(8), (2, 6, 8)),
    "rms_norm": (lambda: nn.RMSNorm(8), (2, 6, 8)),
    "group_norm": (lambda: nn.GroupNorm(2, 8), (2, 8, 6, 6)),
    "instance_norm": (lambda: nn.InstanceNorm2d(8, affine=True), (2, 8, 6, 6)),
}


def operators_of(module, x):
    graph = tinyml.trace(module.eval(), (x,))
    return {node.op.split(".")[1] for node in graph.nodes}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", NORMS)
def test_normalizations_are_rewritten_where_asked(name, bits, tmp_path):
    torch.manual_seed(0)
    build, shape = NORMS[name]
    model = nn.Sequential(build()).eval()
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    batches = [torch.randn(shape) for _ in range(4)]
    config = {"quantize_op_action": {name: "rewrite"}, "bits": {"activation": bits, "weight": 8}}
    quantizer = PostQuantizer(model, batches[0], tmp_path, config)
    module = quantizer.calibrate(batches)
    assert not quantizer.report.float_operators, str(quantizer.report)
    assert {"mean", "rsqrt", "mul"} <= operators_of(module, batches[0])
    assert name not in operators_of(module, batches[0])
    with torch.no_grad():
        expected, simulated = model(batches[0]), module(batches[0])
        assert measure_error("", expected.numpy(), simulated.numpy()).snr_db > 4 * bits - 12
        errors = run_all(
            convert_module(module, batches[0]), [batches[0]], [simulated], kernels=("xnnpack",)
        )
        assert errors[0].snr_db > 25, errors
        tinyml.nn.set_fake_quant(module, False)
        assert torch.allclose(module(batches[0]), expected, atol=1e-5)


def test_attention_in_integers_where_asked(tmp_path):
    torch.manual_seed(0)
    model = Attention(nn.LayerNorm(8)).eval()
    batches = [torch.randn(2, 6, 8) for _ in range(4)]
    plain = PostQuantizer(model, batches[0], tmp_path / "default")
    plain.calibrate(batches)
    left = {item.op.split(".")[1] for item in plain.report.float_operators}
    assert left == {"layer_norm", "scaled_dot_product_attention"}
    configs = {
        "residual": {"residual": "int8"},
        "action": {
            "quantize_op_action": {"layer_norm": "int8", "*attention": "int8", "add": "int8"}
        },
        "rewrite": {"residual": "int8", "quantize_op_action": {"*attention": "rewrite"}},
    }
    for name, config in configs.items():
        quantizer = PostQuantizer(model, batches[0], tmp_path / name, config)
        module = quantizer.calibrate(batches)
        assert not quantizer.report.float_operators, str(quantizer.report)
        assert quantizer.report.quantized_macs == quantizer.report.macs
        with torch.no_grad():
            expected, simulated = model(batches[0]), module(batches[0])
        assert measure_error("", expected.numpy(), simulated.numpy()).snr_db > 25
        assert ("matmul" in operators_of(module, batches[0])) == (name == "rewrite")
        result = convert_module(module, batches[0])
        error = run_all(result, [batches[0]], [simulated], kernels=("xnnpack",))[0]
        assert error.snr_db > 30, (name, error)


class Masked(nn.Module):
    """Attention with a mask, or with fewer heads for keys and values than for queries."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.query = nn.Linear(8, 16)
        self.key = nn.Linear(8, 8 if kind == "shared" else 16)
        self.value = nn.Linear(8, 8 if kind == "shared" else 16)
        self.out = nn.Linear(16, 8)

    def forward(self, x):
        q, k, v = (
            layer(x).unflatten(-1, (-1, 4)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        options = {}
        if self.kind == "causal":
            options = {"is_causal": True}
        elif self.kind == "shared":
            options = {"enable_gqa": True}
        elif self.kind == "bool":
            options = {"attn_mask": (x[..., 0] > -0.5)[:, None, None] | torch.eye(6).bool()}
        elif self.kind == "float":
            options = {"attn_mask": torch.linspace(-1, 1, 36).reshape(6, 6)}
        y = F.scaled_dot_product_attention(q, k, v, **options)
        return self.out(y.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("kind", ["causal", "bool", "float", "shared"])
def test_attention_of_every_kind_is_rewritten(kind, tmp_path):
    torch.manual_seed(0)
    model = Masked(kind).eval()
    batches = [torch.randn(2, 6, 8) for _ in range(4)]
    config = {"residual": "int8", "quantize_op_action": {"*attention": "rewrite"}}
    quantizer = PostQuantizer(model, batches[0], tmp_path, config)
    module = quantizer.calibrate(batches)
    assert not quantizer.report.float_operators, str(quantizer.report)
    assert {"matmul", "softmax"} <= operators_of(module, batches[0])
    with torch.no_grad():
        expected, simulated = model(batches[0]), module(batches[0])
        assert measure_error("", expected.numpy(), simulated.numpy()).snr_db > 25
        result = convert_module(module, batches[0])
        error = run_all(result, [batches[0]], [simulated], kernels=("xnnpack",))[0]
        assert error.snr_db > 30, error
        tinyml.nn.set_fake_quant(module, False)
        assert torch.allclose(module(batches[0]), expected, atol=2e-2)  # biases are rounded


def test_a_rewriting_that_does_not_exist_is_an_error(tmp_path):
    model, x = Attention(nn.LayerNorm(8)).eval(), torch.randn(2, 6, 8)
    with pytest.raises(tinyml.Error, match="'linear' names no operator that can be rewritten"):
        QATQuantizer(model, x, tmp_path, {"quantize_op_action": {"linear": "rewrite"}}).quantize()


class MaskedScores(nn.Module):
    """Attention by hand with a mask that is added."""

    def __init__(self, mask):
        super().__init__()
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)
        self.register_buffer("mask", mask)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = (q @ k.transpose(-1, -2) / 4 + self.mask[:6, :6]).softmax(-1)
        return self.out(scores @ v)


@pytest.mark.parametrize("residual", ["float", "int8"])
@pytest.mark.parametrize("biased", [False, True])
def test_masks_of_minus_infinity_become_fills(residual, biased, tmp_path):
    torch.manual_seed(0)
    mask = torch.full((8, 8), float("-inf")).triu(1)
    if biased:
        mask = mask + torch.randn(8, 8)
    model, x = MaskedScores(mask).eval(), torch.randn(2, 6, 16)
    quantizer = PostQuantizer(model, x, tmp_path, {"residual": residual})
    module = quantizer.calibrate([torch.randn(2, 6, 16) for _ in range(4)] + [x])
    with torch.no_grad():
        expected = model(x)
        tinyml.nn.set_fake_quant(module, False)
        torch.testing.assert_close(module(x), expected, atol=2e-2, rtol=0)  # biases are rounded
        tinyml.nn.set_fake_quant(module, True)
    for error in run_all(convert_module(module, x), [x], [expected]):
        assert error.snr_db > 25, error


@pytest.mark.parametrize("layer", [nn.SiLU(), nn.GLU(1)])
def test_settings_find_layers_that_are_rewritten(layer, tmp_path):
    for pattern in ("function", type(layer).__name__, type(layer).__name__.lower()):
        model = Between(layer)
        x = torch.randn(1, 3, 8, 8)
        model(x)
        settings = {pattern: {"bits": {"activation": 16}}}
        module = PostQuantizer(model.eval(), x, tmp_path, {"layers": settings}).quantize()
        wide = [m for m in module.modules() if isinstance(m, FakeQuantize) and m.quant_max > 127]
        assert len(wide) >= 3, pattern  # what is read, the gate and the product
        report = PostQuantizer(model, x, tmp_path, {"ignore": [pattern], "allow_float": True})
        assert "sigmoid" not in str(report.quantize())
