"""Tables of embeddings are int8 in the file, read by floats or integers, tied or not."""

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

import tinyml
import tinyml.nn as qnn
from conversion import run_all
from test_convert_dynamic import check_dynamic
from tinyml import DeQuantizer, PostQuantizer, QATQuantizer, _core
from tinyml.verification import _make_interpreter

WORDS, WIDTH = 60, 16
FLOAT_READERS = {"allow_float": True}  # few products beside the normalizations


class Language(nn.Module):
    """What reads the rows is float (a residual stream); the head may have the table."""

    def __init__(self, tied: bool):
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH, padding_idx=0)
        self.norm, self.last = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.body = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, ids):
        x = self.embed(ids)
        return self.head(self.last(x + F.gelu(self.body(self.norm(x)))))


class Joined(nn.Module):
    """Integers read the rows of two tables."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(WORDS, 8)
        self.body = nn.Linear(WIDTH + 8, 12)

    def forward(self, ids):
        return self.body(torch.cat((self.words(ids), self.places(ids)), -1))


class TiedToIntegers(nn.Module):
    """Integers read the rows, and the last layer has the table too."""

    def __init__(self):
        super().__init__()
        self.embed, self.body = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, ids):
        return F.linear(torch.relu(self.body(self.embed(ids))), self.embed.weight)


class Twice(nn.Module):
    """One table is looked up twice, in two ranges."""

    def __init__(self):
        super().__init__()
        self.embed, self.body = nn.Embedding(WORDS, WIDTH), nn.Linear(2 * WIDTH, 12)

    def forward(self, ids):
        return self.body(torch.cat((self.embed(ids), self.embed(ids + 1) * 3), -1))


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(WORDS, WIDTH))
        self.norm, self.body = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 12)

    def forward(self, ids):
        return self.body(self.norm(F.embedding(ids, self.table, padding_idx=0)))


class Indexed(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(WORDS, WIDTH))
        self.norm, self.body = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 12)

    def forward(self, ids):
        return self.body(self.norm(self.table[ids]))


class Bags(nn.Module):
    def __init__(self):
        super().__init__()
        self.bags, self.body = nn.EmbeddingBag(WORDS, WIDTH, mode="mean"), nn.Linear(WIDTH, 12)

    def forward(self, ids):
        return self.body(self.bags(ids))


# name -> network, how often an operator of the file reads an int8 table
NETWORKS = {
    "tied": (lambda: Language(True), {"EMBEDDING_LOOKUP": 1}),
    "untied": (lambda: Language(False), {"EMBEDDING_LOOKUP": 1}),
    "joined": (Joined, {"GATHER": 2}),
    "tied_to_integers": (TiedToIntegers, {"EMBEDDING_LOOKUP": 1}),
    "twice": (Twice, {"EMBEDDING_LOOKUP": 2}),
    "functional": (Functional, {"EMBEDDING_LOOKUP": 1}),
    "indexed": (Indexed, {"EMBEDDING_LOOKUP": 1}),
    "bags": (Bags, {"EMBEDDING_LOOKUP": 1}),
    "alone": (lambda: nn.Sequential(nn.Embedding(WORDS, WIDTH)), {"EMBEDDING_LOOKUP": 1}),
}


def ids(seed=0, shape=(2, 7)):
    return torch.randint(0, WORDS - 1, shape, generator=torch.Generator().manual_seed(seed))


def build(name):
    torch.manual_seed(0)
    return NETWORKS[name][0]().eval()


def post_quantize(name, tmp_path, config=None):
    config = {**FLOAT_READERS, **(config or {})}
    quantizer = PostQuantizer(build(name), ids(), tmp_path, config)
    return quantizer, quantizer.calibrate([ids(seed) for seed in range(4)])


def convert(module, **options):
    return _core.convert(tinyml.trace(module, (ids(),)), **options)


def tables(result):
    """Types of the constants of a table's size, by operators that read them."""
    found = Counter()
    for op, inputs in operators_of(result.to_bytes()):
        for shape, kind, constant in inputs:
            if constant and shape[:1] == (WORDS,) and len(shape) == 2 and shape[1] > 1:
                found[op, kind] += 1
    return found


def operators_of(content):
    """(name, [(shape, type, is constant) of each input]) of every operator."""
    interpreter = _make_interpreter(content, "builtin")
    details = {d["index"]: d for d in interpreter.get_tensor_details()}
    ops = interpreter._get_ops_details()
    made = {index for op in ops for index in op["outputs"]}
    made |= {d["index"] for d in interpreter.get_input_details()}
    for op in ops:
        yield (
            op["op_name"],
            [
                (tuple(details[i]["shape"].tolist()), details[i]["dtype"].__name__, i not in made)
                for i in op["inputs"]
                if i >= 0
            ],
        )


def check_agreement(result, module, floor=45):
    with torch.no_grad():
        expected = [module(ids(9))]
    for error in run_all(result, [ids(9)], expected, ("xnnpack", "builtin", "reference")):
        assert error.snr_db >= floor, error


@pytest.mark.parametrize("name", NETWORKS)
def test_tables_are_int8_after_training_quantization(name, tmp_path):
    """No float copy is left, the file computes what the module does, and the report agrees."""
    quantizer, module = post_quantize(name, tmp_path)
    assert not [f for f in quantizer.report.float_operators if "embedding" in f.op]
    result = convert(module)
    found = tables(result)
    assert {kind for _, kind in found} == {"int8"}, found
    expected = NETWORKS[name][1]
    assert {op: found[op, "int8"] for op in expected} == expected, found
    check_agreement(result, module)
    with torch.no_grad():
        y, rounded = build(name)(ids(9)), module(ids(9))
    assert 20 < 10 * torch.log10(y.square().mean() / (y - rounded).square().mean()) < 60


@pytest.mark.parametrize("name", NETWORKS)
def test_tables_train_rounded(name, tmp_path):
    model = build(name)
    quantizer = QATQuantizer(model, ids(), tmp_path, FLOAT_READERS)
    module = quantizer.quantize().train()
    [table] = {p for k, p in module.named_parameters() if p.shape == (WORDS, WIDTH)} - {
        getattr(getattr(module, "head", None), "weight", None) if name == "untied" else None
    }
    before = table.detach().clone()
    optimizer = torch.optim.SGD(module.parameters(), 0.05)
    for step in range(3):
        optimizer.zero_grad()
        module(ids(step)).square().mean().backward()
        optimizer.step()
    moved = (table.detach() - before).abs().amax(1) > 0
    seen = torch.zeros(WORDS, dtype=torch.bool)
    seen[torch.cat([ids(step).flatten() for step in range(3)])] = True
    if name == "twice":
        seen[torch.cat([ids(step).flatten() + 1 for step in range(3)])] = True
    if not name.startswith("tied"):  # a head's rows all move
        seen[0] &= name not in ("untied", "functional")  # padding
        assert torch.equal(moved, seen)
    module.eval()
    again = QATQuantizer(model, ids(), tmp_path, FLOAT_READERS).quantize()
    again.load_state_dict(module.state_dict())
    with torch.no_grad():
        assert torch.equal(again.eval()(ids(5)), module(ids(5)))
    result = convert(module)
    assert {kind for _, kind in tables(result)} == {"int8"}
    check_agreement(result, module)
    back = DeQuantizer(module, ids(), tmp_path).dequantize()
    loaded = {k: v for k, v in module.state_dict().items() if k in model.state_dict()}
    assert back.state_dict().keys() == model.state_dict().keys() == loaded.keys()
    kinds = [type(m) for m in model.modules() if isinstance(m, nn.Embedding)]
    assert [type(m) for m in back.modules() if isinstance(m, nn.Embedding)] == kinds
    assert all(torch.equal(v, loaded[k]) for k, v in back.state_dict().items())


def test_a_tied_table_is_stored_once(tmp_path):
    """The rows and the head's output channels have the same scales."""
    sizes = {}
    for name in ("tied", "untied"):
        _, module = post_quantize(name, tmp_path / name)
        sizes[name] = len(convert(module).to_bytes())
        source = (tmp_path / name / "language_q.py").read_text()
        assert "self.embed = qnn.QuantEmbedding(60, 16, padding_idx=0)" in source
        assert ("self.head.weight = self.embed.weight" in source) == (name == "tied")
    assert sizes["untied"] - sizes["tied"] > WORDS * WIDTH
    assert module.embed.weight_fq.scale.shape == (WORDS,)


def test_the_result_s_scale_is_the_table_s(tmp_path):
    """Where integers alone read it: GATHER between integers, no other operator."""
    _, module = post_quantize("joined", tmp_path)
    assert not [f for _, f in qnn.fake_quantizers(module) if f in (module.words, module.places)]
    result = convert(module)
    assert not {"QUANTIZE", "EMBEDDING_LOOKUP", "RESHAPE"} & set(result.operators)
    # Rows that calibration has not seen are clipped to the range that it found.
    with torch.no_grad():
        module.words.weight[WORDS - 1] = 50
    unseen = torch.full((2, 7), WORDS - 1)
    with torch.no_grad():
        expected = [module(unseen)]
    for error in run_all(convert(module), [unseen], expected, ("xnnpack", "reference")):
        assert error.snr_db >= 45, error


@pytest.mark.parametrize("name", ["untied", "functional", "indexed", "bags"])
def test_without_its_fake_quant_the_table_alone_is_float(name, tmp_path):
    quantizer, module = post_quantize(name, tmp_path)
    integers = convert(module)
    source = quantizer.py_path.read_text()
    if name == "untied":
        edited = source.replace("padding_idx=0)", "padding_idx=0, weight_range=None)")
    else:
        edited = source.replace(f"qnn.WeightFakeQuantize({WORDS})", "nn.Identity()")
    assert edited != source
    quantizer.py_path.write_text(edited)
    module, batches = build(name), [ids(seed) for seed in range(4)]
    config = {**FLOAT_READERS, "force_overwrite": False}
    module = PostQuantizer(module, ids(), tmp_path, config).calibrate(batches)
    result = convert(module)
    assert tables(result)["GATHER", "float32"] == 1
    changed = Counter(result.operators)
    changed.subtract(integers.operators)
    lookups = {"GATHER", "EMBEDDING_LOOKUP", "RESHAPE"}
    assert {op for op, count in changed.items() if count} <= lookups
    check_agreement(result, module)


def test_the_configuration_can_keep_it_float(tmp_path):
    for how in ({"ignore": ["embed"]}, {"quantize_op_action": {"embedding": "float"}}):
        quantizer, module = post_quantize("untied", tmp_path, how)
        assert tables(convert(module))["GATHER", "float32"] == 1
        assert [f.module_path for f in quantizer.report.float_operators if "embed" in f.op] == [
            "embed"
        ]
    quantizer, module = post_quantize("untied", tmp_path, {"layers": {"embed": {"bits": 4}}})
    assert module.embed.weight_fq.quant_max == 7
    quantizer, module = post_quantize("untied", tmp_path, {"per_tensor": True})
    assert module.embed.weight_fq.scale.shape == (1,)
    result = convert(module)
    assert tables(result)["EMBEDDING_LOOKUP", "int8"] == 1
    check_agreement(result, module)


def test_the_layer_wise_file_names_it(tmp_path):
    post_quantize("untied", tmp_path)
    path = tmp_path / "language_layers.yaml"
    text = path.read_text()
    line = "  embed: {operator: embedding, type: Embedding, precision: int8, weight: int8}\n"
    assert text.count(line) == 1
    path.write_text(text.replace(line, line.replace("int8", "float")))
    _, module = post_quantize("untied", tmp_path)
    assert tables(convert(module))["GATHER", "float32"] == 1
    path.write_text(text.replace(line, line.replace("weight: int8", "weight: int4")))
    _, module = post_quantize("untied", tmp_path)
    assert module.embed.weight_fq.quant_max == 7
    # The scale of a table that integers read is that of their FakeQuant.
    post_quantize("joined", tmp_path)
    text = (tmp_path / "joined_layers.yaml").read_text()
    assert "  words: {operator: embedding, type: Embedding, precision: int8}\n" in text


def test_dynamic_sizes(tmp_path):
    _, module = post_quantize("tied", tmp_path)
    runs = [(ids(1, shape),) for shape in ((2, 7), (1, 4), (3, 9))]
    for dims in ({0: Dim.DYNAMIC}, {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}):
        fitting = [r for r in runs if 1 in dims or r[0].shape[1] == 7] + [(ids(2, (4, 7)),)]
        result = check_dynamic(module, *fitting, dynamic_shapes=(dims,), tolerance=0.02)
        assert result.operators["EMBEDDING_LOOKUP"] == 1


@pytest.mark.parametrize("target", ["tflite-micro", "ethos-u"])
def test_targets_whose_lookup_has_one_scale(target, tmp_path):
    """TFLite Micro's EMBEDDING_LOOKUP takes the first row's scale for every row."""
    for per_tensor in (False, True):
        _, module = post_quantize("tied", tmp_path, {"per_tensor": per_tensor})
        result = convert(module, target=target)
        assert ("EMBEDDING_LOOKUP" in result.operators) == per_tensor
        assert {kind for _, kind in tables(result)} == {"int8"}
        check_agreement(result, module)
    rows = tinyml.DynamicQuantizer(build("untied"), ids(), tmp_path).quantize()
    assert "EMBEDDING_LOOKUP" not in convert(rows, target=target).operators


def test_explain_names_what_coarse_rows_cost(tmp_path):
    """At the first value behind them that is rounded."""
    _, module = post_quantize("untied", tmp_path, {"layers": {"embed": {"bits": 3}}})
    content = convert(module).to_bytes()
    found = tinyml.explain(content, module, [ids(seed) for seed in range(3)])
    [first] = [layer for layer in found.layers if layer.name == "norm/layer_norm"]
    assert "weight rounding" in [str(finding.cause) for finding in first.findings]


def test_a_search_gives_a_table_up_last(tmp_path):
    """A float table would cost nothing if only its operations counted."""
    batches = [ids(seed) for seed in range(4)]
    search = tinyml.MixedPrecisionSearch(
        build("tied"), ids(), batches, tmp_path, FLOAT_READERS, target={"snr": 38}
    )
    module = search.search()
    assert {kind for _, kind in tables(convert(module))} == {"int8"}
    chosen = {layer.name: layer.precision for layer in search.result.layers}
    assert chosen["embed"] == "int8"
    assert "int16" in chosen.values()
