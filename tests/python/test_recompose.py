"""Decomposed graphs (core ATen, TorchScript) come back to layers, and are used alike."""

import pytest
import torch
import torch.nn.functional as F
from models import DEPLOYED, ZOO
from torch import nn

import tinyml
from conversion import check_generated, convert_module, outputs_of, random_input, run_all
from tinyml import OneShotChannelPruner, QATQuantizer


class Mixed(nn.Module):
    """Each layer that core ATen takes apart."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8)
        self.up = nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1)
        self.norm = nn.GroupNorm(2, 6)
        self.line = nn.Conv1d(6, 12, 1)
        self.rows = nn.LayerNorm(12)
        self.attention = nn.MultiheadAttention(12, 2, batch_first=True)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn(self.conv(x))), 2)
        x = F.hardswish(self.norm(self.up(self.depthwise(x))))
        x = F.adaptive_avg_pool2d(x, 4).flatten(2)
        x = self.rows(self.line(x).transpose(1, 2))
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return F.log_softmax(self.head(x), -1)


LAYERS = {
    "aten.conv2d.default": 2,
    "aten.conv_transpose2d.input": 1,
    "aten.conv1d.default": 1,
    "aten.batch_norm.default": 1,
    "aten.group_norm.default": 1,
    "aten.layer_norm.default": 1,
    "aten.max_pool2d.default": 1,
    "aten.hardswish.default": 1,
    "aten.adaptive_avg_pool2d.default": 1,
    "aten.linear.default": 3,
    "aten.log_softmax.int": 1,
}


def decomposed(model, x, path):
    program = torch.export.export(model.eval(), (x,)).run_decompositions()
    torch.export.save(program, path)
    return tinyml.Graph.load(path)


def count(graph, names):
    operators = [node.op for node in graph.nodes]
    return {name: operators.count(name) for name in names}


def mixed():
    torch.manual_seed(0)
    return Mixed().eval(), random_input(2, 3, 16, 16)


def test_layers_come_back(tmp_path):
    model, x = mixed()
    graph = decomposed(model, x, tmp_path / "m.pt2")
    assert count(graph, LAYERS) == LAYERS
    assert not [node.op for node in graph.nodes if node.op in ("aten.where.self", "aten.any.dim")]
    expected = model(x).detach()
    check_generated(graph, [x], expected)
    assert {name for name, _ in model.named_parameters()} == set(graph.parameters())
    errors = run_all(tinyml._core.convert(graph), [x], [expected])
    assert max(error.max_abs for error in errors) < 1e-4, errors


def test_both_captures_convert_to_the_same_operators(tmp_path):
    _, x = mixed()

    class Plain(Mixed):
        def forward(self, x):
            x = F.max_pool2d(F.relu(self.bn(self.conv(x))), 2)
            return F.hardswish(self.up(self.depthwise(x)))

    plain = Plain().eval()
    taken_apart = tinyml._core.convert(decomposed(plain, x, tmp_path / "m.pt2"))
    assert taken_apart.operators == convert_module(plain, x).operators


class HandWritten(nn.Module):
    """Attention over merged batch dimensions, and what must not be taken for it."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, q, k, v):
        q2, k2 = torch.ops.aten.mul.Scalar(q, 0.5), torch.ops.aten.mul.Scalar(k, 0.5)
        if self.kind == "shared scores":
            weights = (q2 @ k2.transpose(-2, -1)).softmax(-1)
            return weights @ v, weights
        if self.kind == "other dimension":
            return (q2 @ k2.transpose(-2, -1)).softmax(-2) @ v
        if self.kind == "not transposed":
            return (q2 @ k2).softmax(-1) @ v
        return F.scaled_dot_product_attention(q, k, v, scale=0.3)


KINDS = {"plain": 1, "shared scores": 0, "other dimension": 0, "not transposed": 0}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [(2, 3), (2,), (1, 2, 3)])
def test_attention_comes_back(kind, batch, tmp_path):
    q, k, v = (random_input(*batch, 6, 6) for _ in range(3))
    model = HandWritten(kind).eval()
    program = torch.export.export(model, (q, k, v)).run_decompositions()
    torch.export.save(program, tmp_path / "m.pt2")
    graph = tinyml.Graph.load(tmp_path / "m.pt2")
    name = "aten.scaled_dot_product_attention.default"
    if len(batch) == 2 or kind != "plain":
        assert count(graph, [name]) == {name: KINDS[kind]}
    if len(batch) > 1:
        assert count(graph, ["aten.bmm.default"]) == {"aten.bmm.default": 0}
    check_generated(graph, [q, k, v], model(q, k, v))
    expected = outputs_of(model(q, k, v))
    errors = run_all(tinyml._core.convert(graph), [q, k, v], expected)
    assert max(error.max_abs for error in errors) < 1e-5, errors


@pytest.mark.parametrize("name", ["vit_tiny", "res2net50", "bert_tiny"])
def test_networks_convert_to_the_same_number_of_operators(name, tmp_path):
    entry = {**ZOO, **DEPLOYED}[name]
    model = entry.small().eval()
    x = torch.randn(entry.shape)
    inputs = (x,) if entry.make_inputs is None else entry.make_inputs(x)
    program = torch.export.export(model, inputs).run_decompositions()
    torch.export.save(program, tmp_path / "m.pt2")
    taken_apart = tinyml._core.convert(tinyml.Graph.load(tmp_path / "m.pt2"))
    whole = tinyml._core.convert(tinyml.trace(model, inputs))
    assert sum(taken_apart.operators.values()) <= sum(whole.operators.values())


def test_masked_attention_keeps_its_guard(tmp_path):
    class Masked(nn.Module):
        def forward(self, x, mask):
            return F.scaled_dot_product_attention(x, x, x, attn_mask=mask)

    x, mask = random_input(1, 2, 4, 8), torch.ones(4, 4, dtype=torch.bool).tril()
    mask[1] = False  # a query without a key gives zeros
    program = torch.export.export(Masked().eval(), (x, mask)).run_decompositions()
    torch.export.save(program, tmp_path / "m.pt2")
    graph = tinyml.Graph.load(tmp_path / "m.pt2")
    check_generated(graph, [x, mask], Masked()(x, mask))


class Gates(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return self.function(self.conv(x))


SPELLINGS = {
    "relu6": (lambda x: x * F.relu6(x + 3) / 6, "hardswish"),
    "gate first": (lambda x: x * (F.relu6(x + 3) / 6), "hardswish"),
    "gate left": (lambda x: (F.hardtanh(x + 3, 0, 6) * (1 / 6)) * x, "hardswish"),
    "clamps": (lambda x: x * (x + 3).clamp(min=0).clamp(max=6) / 6, "hardswish"),
    "module": (lambda x: x * F.hardsigmoid(x), "hardswish"),
    "gate": (lambda x: (x + 3).clamp(0, 6) / 6, "hardsigmoid"),
    "other shift": (lambda x: x * F.relu6(x + 2) / 6, None),
    "other bound": (lambda x: x * (x + 3).clamp(0, 5) / 6, None),
    "other factor": (lambda x: (x + 1) * F.relu6(x + 3) / 6, None),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_hard_activations_by_hand(name):
    function, op = SPELLINGS[name]
    torch.manual_seed(0)
    model, x = Gates(function).eval(), 4 * random_input(1, 3, 8, 8)
    graph = tinyml.trace(model, x)
    found = {node.op.split(".")[1] for node in graph.nodes} & {"hardswish", "hardsigmoid"}
    assert found == ({op} if op else set())
    check_generated(graph, [x], model(x).detach())


def test_what_others_read_stays():
    def function(x):
        ramp = F.relu6(x + 3)
        return x * ramp / 6, ramp

    x = random_input(1, 3, 8, 8)
    operators = [node.op for node in tinyml.trace(Gates(function).eval(), x).nodes]
    assert "aten.hardswish.default" not in operators
    assert "aten.relu6.default" in operators


def test_indices_that_are_read_keep_the_operator():
    class Indices(nn.Module):
        def forward(self, x):
            return F.max_pool2d(x, 2, return_indices=True)

    x = random_input(1, 3, 8, 8)
    operators = [node.op for node in tinyml.trace(Indices(), x).nodes]
    assert operators == ["aten.max_pool2d_with_indices.default"]


def small():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.Flatten(),
        nn.Linear(8 * 16, 4),
    ).eval()


@pytest.mark.parametrize("how", ["script", "trace"])
def test_torchscript_trains_quantized(how, tmp_path):
    model, x = small(), random_input(2, 3, 8, 8)
    script = torch.jit.script(model) if how == "script" else torch.jit.trace(model, x)
    graph = tinyml.trace(script, x)
    assert set(graph.parameters()) == {name for name, _ in model.named_parameters()}
    assert {"1.running_mean", "1.running_var"} <= set(graph.buffers())
    quantizer = QATQuantizer(script, x, tmp_path)
    module = quantizer.quantize().train()
    assert quantizer.report.quantized_macs == quantizer.report.macs
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    optimizer = torch.optim.SGD(module.parameters(), 1e-2)
    module(x).square().mean().backward()
    optimizer.step()
    assert any(not torch.equal(before[name], p) for name, p in module.named_parameters())
    torch.testing.assert_close(script(x), model(x))  # the script's own weights stay


def test_decomposed_archives_are_quantized(tmp_path):
    x = random_input(2, 3, 8, 8)
    graph = decomposed(small(), x, tmp_path / "m.pt2")
    quantized, report = tinyml._core.quantize(graph, "{}")
    assert report.quantized_macs == report.macs
    assert not report.float_operators
    assert "aten.batch_norm.default" not in [node.op for node in quantized.nodes]  # folded


def test_a_script_cannot_be_cut_in_place():
    x = random_input(2, 3, 8, 8)
    with pytest.raises(tinyml.Error, match="cannot be cut in place"):
        OneShotChannelPruner(torch.jit.script(small()), x, {"sparsity": 0.5}).prune()


class ShuffledByHand(nn.Module):
    """A pixel shuffle spelled out; `swapped` exchanges its two factors, which is none."""

    def __init__(self, swapped=False):
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, padding=1)
        self.order = (0, 1, 4, 3, 5, 2) if swapped else (0, 1, 4, 2, 5, 3)

    def forward(self, x):
        n, _, h, w = x.shape
        return self.conv(x).view(n, 3, 2, 2, h, w).permute(self.order).reshape(n, 3, 2 * h, 2 * w)


SHUFFLES = {
    "shuffle": (
        nn.Sequential(nn.Conv2d(3, 12, 3), nn.PixelShuffle(2)),
        "aten.pixel_shuffle.default",
        (1, 3, 5, 6),
    ),
    "unshuffle": (
        nn.Sequential(nn.PixelUnshuffle(3), nn.Conv2d(18, 4, 1)),
        "aten.pixel_unshuffle.default",
        (2, 2, 6, 9),
    ),
    "no batch": (
        nn.Sequential(nn.Conv2d(2, 18, 1), nn.PixelShuffle(3)),
        "aten.pixel_shuffle.default",
        (2, 3, 4),
    ),
    "by hand": (ShuffledByHand(), "aten.pixel_shuffle.default", (1, 3, 4, 5)),
}


@pytest.mark.parametrize("name", SHUFFLES)
def test_pixel_shuffles_come_back(name, tmp_path):
    model, op, shape = SHUFFLES[name]
    x = random_input(*shape)
    graph = decomposed(model, x, tmp_path / "model.pt2")
    assert count(graph, [op, "aten.permute.default"]) == {op: 1, "aten.permute.default": 0}
    result = tinyml._core.convert(graph)
    assert result.operators == tinyml._core.convert(tinyml.trace(model, x)).operators
    with torch.no_grad():
        expected = [model(x)]
    assert max(run.relative for run in run_all(result, (x,), expected)) < 1e-5


def test_another_order_of_the_factors_is_no_pixel_shuffle(tmp_path):
    graph = decomposed(
        ShuffledByHand(swapped=True), random_input(1, 3, 4, 5), tmp_path / "model.pt2"
    )
    assert count(graph, ["aten.pixel_shuffle.default"]) == {"aten.pixel_shuffle.default": 0}
