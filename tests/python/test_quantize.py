"""Quantizers: placement on the zoo, generated code, training, calibration, edited files."""

import re

import pytest
import torch
from models import DEPLOYED, ZOO
from torch import nn

import tinyml
import tinyml.nn as qnn
from conversion import convert_module, snr
from tinyml import PostQuantizer, QATQuantizer
from tinyml.verification import run_tflite

# Operators whose result has the scale of their input, and those that compute a new one.
MOVES = {
    "adaptive_avg_pool2d", "avg_pool2d", "chunk", "clone", "contiguous", "dropout", "flatten",
    "getitem", "max_pool2d", "pad", "permute", "reshape", "select", "slice", "split",
    "split_with_sizes", "transpose", "unbind", "unflatten", "upsample_bilinear2d",
    "upsample_nearest2d", "view",
}  # fmt: skip
LAYERS = ("conv2d", "conv_transpose2d", "linear")
COMPUTES = (*LAYERS, "add", "mul", "mean", "batch_norm", "sigmoid", "hardsigmoid", "silu")
ACTIVATIONS = ("relu", "relu6", "hardtanh", "clamp")


def name_of(node):
    if node.op != "call_function":
        return ""
    return re.sub(r"^aten\.|\.\w+$|_$", "", str(node.target)) or str(node.target)


def base(node):
    return "getitem" if "getitem" in str(node.target) else name_of(node)


def is_global_pool(node):
    return "avg_pool" in base(node) and set(node.meta["val"].shape[2:]) == {1}


def fake_quant_behind(node):
    """The FakeQuant whose scale the value has, or None."""
    while node.op == "call_function":
        if "fake_quantize" in str(node.target):
            return node
        if base(node) == "cat":  # parts of one tensor or of one scale
            parts = [fake_quant_behind(part) for part in node.args[0]]
            same = None not in parts and len({part.args[1:3] for part in parts}) == 1
            return parts[0] if same else None
        if base(node) not in MOVES or is_global_pool(node):
            return None
        node = node.args[0]
    return None


def floats(nodes):
    return [n for n in nodes if isinstance(n.meta.get("val"), torch.Tensor)]


def check_integer_network(program):
    """Every operator that computes reads scaled values, and what it makes gets a scale."""
    checked = 0
    parameters = set(program.graph_signature.inputs_to_parameters) | set(
        program.graph_signature.inputs_to_buffers
    )
    constants = set()
    for node in program.graph.nodes:
        if node.op == "placeholder":
            if node.name in parameters:
                constants.add(node)
            continue
        if node.op != "call_function":
            continue
        inputs = node.all_input_nodes
        if inputs and all(value in constants for value in inputs):
            constants.add(node)
            continue
        name = base(node)
        if name in LAYERS:
            assert "fake_quantize" in str(node.args[1].target), node
            data = [node.args[0]]
        elif name in COMPUTES:
            data = [value for value in floats(inputs) if value not in constants]
        else:
            continue
        checked += 1
        for value in data:
            assert fake_quant_behind(value) is not None, f"{node} reads {value} without a scale"
        users = list(node.users)
        if len(users) == 1 and base(users[0]) in ACTIVATIONS:
            users = list(users[0].users)
        for user in users:
            assert scaled_by(user), f"{node} has no scale"
    return checked


def scaled_by(node):
    """Whether what it reads gets a scale from it: a FakeQuant, or a concatenation that has one."""
    if base(node) == "cat" or base(node) in MOVES:
        return all(scaled_by(reader) for reader in node.users)
    return "fake_quantize" in str(node.target)


@pytest.mark.parametrize(
    ("network", "least_snr"),
    [
        ("resnet8", 25),
        ("mobilenet_v3_small", 10),
        ("squeezenet", 20),
        ("shufflenet_v2", 3),
        ("densenet_small", 20),
        ("unet_bilinear", 15),
    ],
)
def test_zoo(network, least_snr, tmp_path):
    entry = ZOO[network]
    model, x = entry.small(), entry.example_input()
    quantizer = QATQuantizer(model, x, tmp_path)
    module = quantizer.quantize()
    assert module.training
    assert not quantizer.report.float_operators
    module.eval()
    with torch.no_grad():
        y, expected = module(x), model(x)
        assert snr(y, expected) > least_snr
        qnn.set_fake_quant(module, False)
        assert snr(module(x), expected) > 60  # fusing changed nothing
        qnn.set_fake_quant(module, True)
    program = torch.export.export(module, (x,))
    assert check_integer_network(program) > 5
    assert torch.equal(program.module()(x), y)
    state = module.state_dict()
    again = type(module)()
    again.load_state_dict(state)
    assert torch.equal(again.eval()(x), y)


def test_a_transformers_residual_stream_stays_float(tmp_path):
    entry = DEPLOYED["vit_tiny"]
    model, batches = entry.small(), [entry.example_input(seed) for seed in range(8)]
    found = {}
    for residual in ("float", "int8"):
        config = {"residual": residual}
        quantizer = PostQuantizer(model, batches[0], tmp_path / residual, config)
        module = quantizer.calibrate(batches)
        with torch.no_grad():
            found[residual] = snr(module(batches[0]), model(batches[0]))
        floats = [item.op for item in quantizer.report.float_operators]
        assert ("aten.add.Tensor" in floats) == (residual == "float")
        assert not any(op.startswith(("aten.linear", "aten.gelu", "aten.conv")) for op in floats)
        file = convert_module(module, batches[0])
        output = run_tflite(file.to_bytes(), [batches[0].numpy()], input_orders=file.input_orders)[
            0
        ]
        with torch.no_grad():
            assert snr(torch.from_numpy(output), module(batches[0])) > 30
        kept = 2 * len(model.blocks) + 1
        assert file.operators["FULLY_CONNECTED"] == 4 * len(model.blocks) + 1
        assert file.operators["ADD"] >= kept
    assert found["float"] > found["int8"] + 3


def test_generated_code_of_the_exported_module_is_the_same(tmp_path):
    """graph -> code -> module -> graph -> code: what the nodes say is what was written."""
    entry = ZOO["resnet8"]
    x = entry.example_input()
    quantizer = QATQuantizer(entry.small(), x, tmp_path)
    module = quantizer.quantize().eval()
    graph = tinyml.trace(module, x)
    graph.generate_code(tmp_path / "again.py", tmp_path / "again.pth", quantizer.class_name)
    first = quantizer.py_path.read_text()
    second = (tmp_path / "again.py").read_text().replace("again.pth", quantizer.weights_path.name)
    assert first[first.index("class ") :] == second[second.index("class ") :]


class MaskedAttention(nn.Module):
    def __init__(self, masked):
        super().__init__()
        self.masked = masked
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))

    def forward(self, x, keep):
        scores = self.query(x) @ self.key(x).transpose(1, 2) + (1.0 - keep) * self.masked
        return scores.softmax(-1) @ self.value(x)


@pytest.mark.parametrize("masked", [torch.finfo(torch.float32).min, -1e4])
@pytest.mark.parametrize("algorithm", ["mse", "min_max"])
def test_masked_scores_do_not_set_the_range(masked, algorithm, tmp_path):
    torch.manual_seed(0)
    model = MaskedAttention(masked).eval()
    keep = torch.tensor([[[1.0, 1, 1, 1, 0, 0]]])
    batches = [(2 * torch.randn(1, 6, 8), keep) for _ in range(8)]
    config = {"residual": "int8", "algorithm": algorithm, "allow_float": True}
    module = PostQuantizer(model, batches[0], tmp_path, config).calibrate(batches)
    assert module.fq_add.scale < 1
    with torch.no_grad():
        for batch in batches:
            assert snr(module(*batch), model(*batch)) > 20
    file = convert_module(module, *batches[0])
    (output,) = run_tflite(file.to_bytes(), [x.numpy() for x in batches[0]])
    with torch.no_grad():
        assert snr(torch.from_numpy(output), model(*batches[0])) > 20
    assert "mask_margin=16" in (tmp_path / "masked_attention_q.py").read_text()


def test_a_shared_module_keeps_one_set_of_ranges(tmp_path):
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            return self.conv(torch.relu(self.conv(x)))

    torch.manual_seed(0)
    model, x = Shared(), torch.randn(1, 4, 8, 8)
    module = QATQuantizer(model, x, tmp_path).quantize().eval()
    with torch.no_grad():
        assert snr(module(x), model(x)) > 25
    assert sum(isinstance(m, qnn.QuantConv2d) for m in module.modules()) == 1


class Mixture(nn.Module):
    """Every kind of layer, and layers that are not plain modules."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.ReLU6())
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2, bias=False)
        self.up_bn = nn.BatchNorm2d(6, eps=1e-3, momentum=0.05)
        self.each = nn.ConvTranspose2d(6, 6, 3, stride=2, padding=1, groups=6)
        self.each_bn = nn.BatchNorm2d(6)
        self.grouped = nn.ConvTranspose2d(6, 6, 1, groups=3)
        self.circular = nn.Conv2d(6, 6, 3, padding=1, padding_mode="circular")
        self.prelu = nn.PReLU(6)
        self.scale = nn.Parameter(torch.rand(1, 6, 1, 1) + 0.5)
        self.weight = nn.Parameter(torch.randn(6, 6, 1, 1))
        self.act = nn.SiLU()
        self.line = nn.Conv1d(6, 6, 3)
        self.line_bn = nn.BatchNorm1d(6)
        self.fc = nn.Linear(6, 16)
        self.fc_bn = nn.BatchNorm1d(16)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(self.up_bn(self.up(x)))
        x = self.each_bn(self.each(x))
        x = self.grouped(self.prelu(self.circular(x))) * self.scale
        x = nn.functional.conv2d(self.act(x), self.weight)
        x = x * torch.sigmoid(x.mean((2, 3), keepdim=True))
        x = nn.functional.hardtanh(self.line_bn(self.line(x.flatten(2))), -1.0, 1.0)
        x = torch.relu(self.fc_bn(self.fc(x.mean(2))))
        return self.head(x).softmax(1)


def test_every_kind_of_layer(tmp_path):
    torch.manual_seed(0)
    model, x = Mixture(), torch.randn(4, 3, 6, 6)
    model.train()
    for _ in range(30):
        model(torch.randn(16, 3, 6, 6))
    model.eval()
    quantizer = QATQuantizer(model, x, tmp_path)
    module = quantizer.quantize()
    assert not quantizer.report.float_operators, str(quantizer.report)
    assert isinstance(module.up, qnn.ConvTransposeBn2d)
    assert module.up.bn.momentum == 0.05
    assert isinstance(module.each, qnn.ConvTransposeBn2d)
    assert isinstance(module.line, qnn.ConvBn1d)
    assert isinstance(module.fc, qnn.LinearBn1d)
    assert isinstance(module.grouped, qnn.QuantConvTranspose2d)
    assert module.grouped.weight_fq.channels is None
    module.eval()
    assert check_integer_network(torch.export.export(module, (x,))) >= 12
    with torch.no_grad():
        qnn.set_fake_quant(module, False)
        assert snr(module(x), model(x)) > 60  # fusing changed nothing
        qnn.set_fake_quant(module, True)
    module.train()(x).square().sum().backward()
    assert not [name for name, parameter in module.named_parameters() if parameter.grad is None]
