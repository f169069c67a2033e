"""No silent changes: FakeQuants that are taken out of the generated code, at random, make exactly
the operators around them float in the file, and no others."""

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from models import ZOO
from torch import nn

import tinyml
from test_quantize import ACTIVATIONS, LAYERS, base, fake_quant_behind, is_global_pool
from test_quantize_recurrent import Tagger
from test_quantize_rewrite import Attention, Between
from tinyml import QATQuantizer, _core
from tinyml.verification import _make_interpreter

KINDS = {
    **dict.fromkeys((*LAYERS, "conv1d"), "layer"),
    "add": "add",
    "mul": "mul",
    "mean": "mean",
    "sub": "sub",
}
FILE_KINDS = {
    "CONV_2D": "layer",
    "DEPTHWISE_CONV_2D": "layer",
    "FULLY_CONNECTED": "layer",
    "TRANSPOSE_CONV": "layer",
    "ADD": "add",
    "MUL": "mul",
    "MEAN": "mean",
    "SUB": "sub",
}


class Branches(nn.Module):
    """Every way in which scales meet: sums, products, a concatenation, shared inputs, movements."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()
        )
        self.left = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.right = nn.Conv2d(8, 8, 1)
        self.mix = nn.Conv2d(16, 8, 1)
        self.gate = nn.Conv2d(8, 8, 1)
        self.last = nn.Linear(8, 4)

    def forward(self, x):
        x = self.stem(x)
        y = torch.relu(self.left(x)) + x
        z = torch.cat([self.right(x), torch.max_pool2d(y, 3, 1, 1)], 1)
        z = torch.relu(self.mix(z)) * y
        z = z + self.gate(z.mean((2, 3), keepdim=True))
        return self.last(z.mean((2, 3)))


def kind_of(node):
    return "mean" if is_global_pool(node) else KINDS.get(base(node))


def is_fake(node):
    return "fake_quantize" in str(node.target)


def is_integer(node, constants):
    """Whether FakeQuants stand on every side of the operator."""
    data = [v for v in node.all_input_nodes if v not in constants]
    if kind_of(node) == "layer":
        data = [node.args[0]]
        if not is_fake(node.args[1]):
            return False
    if any(fake_quant_behind(value) is None for value in data):
        return False
    users = list(node.users)
    if len(users) == 1 and base(users[0]) in ACTIVATIONS:
        users = list(users[0].users)
    return all(
        is_fake(user)
        or (base(user) == "cat" and user.users and all(is_fake(reader) for reader in user.users))
        for user in users
    )


def expected_kinds(program):
    """(kind, runs on integers) -> how many of the program's operators."""
    parameters = set(program.graph_signature.inputs_to_parameters)
    parameters |= set(program.graph_signature.inputs_to_buffers)
    constants, found = set(), Counter()
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in parameters:
            constants.add(node)
        if node.op != "call_function":
            continue
        inputs = node.all_input_nodes
        if inputs and all(value in constants for value in inputs):
            constants.add(node)
        elif kind_of(node):
            found[kind_of(node), is_integer(node, constants)] += 1
    return found


def file_kinds(content):
    """The same of a file's operators."""
    interpreter = _make_interpreter(content, "reference")
    types = {d["index"]: d["dtype"].__name__ for d in interpreter.get_tensor_details()}
    found = Counter()
    for op in interpreter._get_ops_details():
        if op["op_name"] in FILE_KINDS:
            kind = {types[op["inputs"][0]], types[op["outputs"][0]]}
            assert len(kind) == 1, op
            found[FILE_KINDS[op["op_name"]], kind == {"int8"}] += 1
    return found


def flip(source, generator, share):
    """The code with some FakeQuants gone: activations' become nn.Identity, weights' None."""
    needed = set(re.findall(r"self\.(\w+)\.scale", source))  # a Requantize follows these

    def activation(match):
        if match[1] in needed or generator.random() > share:
            return match[0]
        return f"self.{match[1]} = nn.Identity()"

    def weight(match):
        return match[0] if generator.random() > share else f"{match[1]}, weight_range=None)"

    def recurrent(match):
        parts = ["input_gates", "hidden_gates", "hidden"]
        ends = ["", "_reverse"] if "bidirectional" in match[0] else [""]
        off = [
            f"\n        self.{match[1]}.{part}_l0{end}_fq = nn.Identity()"
            for part in parts
            for end in ends
            if generator.random() < share
        ]
        return match[0] + "".join(off)

    inside = r"\((?:[^()]|\([^()]*\))*"
    source = re.sub(r"self\.(fq_\w+) = qnn\.FakeQuantize" + inside + r"\)", activation, source)
    source = re.sub(r"(qnn\.(?:Quant|Conv|Linear)\w+" + inside + r")\)", weight, source)
    return re.sub(r"self\.(\w+) = qnn\.Quant(?:LSTM|GRU|RNN)" + inside + r"\)", recurrent, source)


@dataclass
class Network:
    build: Callable[[], nn.Module]
    make_input: Callable[[], torch.Tensor]
    config: dict = field(default_factory=dict)
    # What is counted; other operators of these are merged or split on the way to the file.
    kinds: tuple[str, ...] = ("layer", "add", "mul", "mean")


NETWORKS = {
    "branches": Network(Branches, lambda: torch.randn(1, 3, 8, 8)),
    "resnet8": Network(ZOO["resnet8"].small, ZOO["resnet8"].example_input),
    "ds_cnn": Network(ZOO["ds_cnn"].small, ZOO["ds_cnn"].example_input),
    "attention": Network(
        lambda: Attention(nn.Identity()),
        lambda: torch.randn(2, 6, 8),
        {"residual": "int8", "quantize_op_action": {"*attention": "rewrite"}},
        ("layer", "add"),
    ),
    "norms": Network(
        lambda: Between(nn.GroupNorm(2, 8)),
        lambda: torch.randn(1, 3, 6, 6),
        {"quantize_op_action": {"group_norm": "rewrite"}},
        ("mean", "sub"),
    ),
    "recurrent": Network(
        lambda: Tagger(nn.LSTM(12, 10, batch_first=True), 10),
        lambda: torch.randn(2, 3, 6),
        {"allow_float": True},
        ("layer",),
    ),
    "gru": Network(
        lambda: Tagger(nn.GRU(12, 10, batch_first=True, bidirectional=True), 20),
        lambda: torch.randn(2, 3, 6),
        {"allow_float": True},
        ("layer",),
    ),
}


def only(kinds, found):
    return Counter({key: count for key, count in found.items() if key[0] in kinds})


def build(name):
    network = NETWORKS[name]
    torch.manual_seed(0)
    model, x = network.build(), network.make_input()
    with torch.no_grad():
        model.eval()(x)  # lazy layers
    return network, model, x


@pytest.mark.parametrize("name", NETWORKS)
def test_exactly_what_was_flipped_becomes_float(name, tmp_path):
    network, model, x = build(name)
    quantizer = QATQuantizer(model, x, tmp_path, network.config)
    quantizer.quantize()
    original = quantizer.py_path.read_text()
    seen = set()
    for seed in range(5):
        generator = random.Random(seed)
        edited = flip(original, generator, 0.0 if seed == 0 else 0.25)
        quantizer.py_path.write_text(edited)
        config = {**network.config, "force_overwrite": False}
        module = QATQuantizer(model, x, tmp_path, config).quantize().eval()
        expected = only(network.kinds, expected_kinds(torch.export.export(module, (x,))))
        # Without forms that write an operator as others.
        result = _core.convert(tinyml.trace(module, (x,)), forms=["-tables", "-linear"])
        assert only(network.kinds, file_kinds(result.to_bytes())) == expected, edited
        seen |= set(expected)
        if seed == 0:
            assert not [kind for kind, integer in expected if not integer]
    assert {(network.kinds[0], integer) for integer in (False, True)} <= seen


def kinds_of_graph(graph, path):
    """expected_kinds of a graph: of the program that it is written as."""
    graph.save(path)
    return expected_kinds(torch.export.load(path))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_of_fake_quants_flipped_in_the_graph(name, tmp_path):
    network, model, x = build(name)
    quantizer = QATQuantizer(model, x, tmp_path, network.config)
    quantized = tinyml.trace(quantizer.quantize().eval(), (x,))
    followed = set()  # a Requantize has the scale of another FakeQuant
    sites = _core.list_fake_quants(quantized)
    for first in sites:
        followed |= {first.scale} if sum(site.scale == first.scale for site in sites) > 1 else set()
    names = [site.name for site in sites if not site.scale or site.scale not in followed]
    seen = set()
    for seed in range(4):
        generator = random.Random(seed)
        flipped = [name for name in names if generator.random() < (0.25 if seed else 0)]
        graph = _core.drop_fake_quants(quantized, flipped)
        expected = only(network.kinds, kinds_of_graph(graph, tmp_path / "m.pt2"))
        result = _core.convert(graph, forms=["-tables", "-linear"])
        assert only(network.kinds, file_kinds(result.to_bytes())) == expected, flipped
        seen |= set(expected)
    assert {(network.kinds[0], integer) for integer in (False, True)} <= seen


def test_switching_off_is_the_same_as_removing(tmp_path):
    torch.manual_seed(0)
    model, x = Branches().eval(), torch.randn(1, 3, 8, 8)
    module = QATQuantizer(model, x, tmp_path).quantize().eval()
    generator = random.Random(3)
    for _, quantizer in tinyml.nn.fake_quantizers(module):
        if generator.random() < 0.3:
            quantizer.set_quantizing(False)
    expected = expected_kinds(torch.export.export(module, (x,)))
    result = _core.convert(tinyml.trace(module, (x,)), forms=["-tables", "-linear"])
    assert file_kinds(result.to_bytes()) == expected
    assert any(not integer for _, integer in expected)
