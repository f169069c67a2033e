"""tinyml.trace: what it accepts, what it keeps, and how it refuses."""

import pytest
import torch
from torch import nn

import tinyml
from nasty import CASES


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(0.25)

    def forward(self, x, scale=None):
        y = self.dropout(self.norm(self.conv(x)))
        return y if scale is None else y * scale


class Branching(nn.Module):
    def forward(self, x):
        if x.sum() > 0:  # the line at fault
            return x
        return -x


class Outer(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.stages = nn.ModuleList([nn.ReLU(), inner])

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return x


X, SCALE = torch.randn(2, 3, 8, 8), torch.ones(1)


@pytest.mark.parametrize(
    ("inputs", "kwargs"),
    [
        (X, None),
        ((X,), None),
        ([X, SCALE], None),
        ({"x": X, "scale": SCALE}, None),
        (X, {"scale": SCALE}),
        (None, {"x": X}),
    ],
)
def test_example_inputs_come_in_many_forms(inputs, kwargs) -> None:
    graph = tinyml.trace(Block(), inputs, kwargs=kwargs)
    assert graph.input_names[0] == "x"
    assert "aten.conv2d.default" in [node.op for node in graph.nodes]


def test_captures_eval_behaviour_and_restores_modes() -> None:
    model = Block().train()
    model.norm.eval()
    text = str(tinyml.trace(model, X))
    assert "training=False" in text
    assert "train=False" in text
    assert (model.training, model.norm.training, model.dropout.training) == (True, False, True)
    assert model.norm.num_batches_tracked == 0


def test_modes_are_restored_after_an_error() -> None:
    model = Outer(Branching()).train()
    with pytest.raises(tinyml.Error):
        tinyml.trace(model, X)
    assert all(module.training for module in model.modules())


def test_the_graph_is_a_snapshot() -> None:
    model = Block()
    graph = tinyml.trace(model, X)
    before = model.conv.weight.detach().clone()
    with torch.no_grad():
        model.conv.weight.zero_()
    assert torch.equal(torch.from_dlpack(graph.parameters()["conv.weight"]), before)


def test_nodes_know_their_module_and_line() -> None:
    graph = tinyml.trace(Outer(Block()), X)
    conv = next(node for node in graph.nodes if node.op == "aten.conv2d.default")
    assert conv.module_path == "stages.1.conv"
    assert conv.file == __file__
    assert "self.conv(x)" in conv.source


def test_an_error_names_line_module_and_remedy(capfd) -> None:
    with pytest.raises(tinyml.Error) as error:
        tinyml.trace(Outer(Branching()), X)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.file == __file__
    assert "the line at fault" in diagnostic.source
    assert diagnostic.module_path == "stages.1"
    assert "torch.cond" in diagnostic.remedy
    assert diagnostic.source in str(error.value)


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 6, batch_first=True)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        outputs, (hidden, _) = self.lstm(packed)
        return nn.utils.rnn.pad_packed_sequence(outputs, True)[0], hidden[0]


class Padded(Packed):
    """What the remedy for packed sequences says."""

    def forward(self, x, lengths):
        y, _ = self.lstm(x)
        inside = torch.arange(x.shape[1]) < lengths[:, None]
        return y * inside[..., None], y[torch.arange(x.shape[0]), lengths - 1]


def test_packed_sequences_are_refused_with_the_way_out() -> None:
    model, inputs = Packed().eval(), (torch.randn(3, 5, 4), torch.tensor([2, 5, 3]))
    with pytest.raises(tinyml.Error, match=r"leave pack_padded_sequence .* out") as error:
        tinyml.trace(model, inputs)
    assert error.value.diagnostics[0].module_path == "lstm"
    padded = Padded().eval()
    padded.load_state_dict(model.state_dict())
    tinyml.trace(padded, inputs)
    for actual, expected in zip(padded(*inputs), model(*inputs), strict=True):
        torch.testing.assert_close(actual, expected)


def test_wrong_inputs_are_told_from_wrong_models() -> None:
    with pytest.raises(tinyml.Error, match="example_inputs must match"):
        tinyml.trace(Block(), (X, SCALE, SCALE))
    with pytest.raises(tinyml.Error, match="stages"):
        tinyml.trace(Outer(nn.Linear(3, 3)), X[..., :2])
    with pytest.raises(tinyml.Error, match=r"nn\.Module"):
        tinyml.trace(Block, X)  # the class


def test_violated_dynamic_shapes_come_with_a_suggestion() -> None:
    n = torch.export.Dim("n", min=2, max=10)

    class Fixed(nn.Module):
        def forward(self, x):
            return x + torch.ones(3)

    with pytest.raises(tinyml.Error, match="adjust dynamic_shapes"):
        tinyml.trace(Fixed(), torch.randn(3), dynamic_shapes=({0: n},))


def test_text_forms() -> None:
    graph = tinyml.trace(CASES["Layers"].build(), CASES["Layers"].arguments())
    text = str(graph)
    assert "%p_conv_weight: float32[6, 1, 3, 3] = parameter 'conv.weight'" in text
    assert "stride=[2, 2]" in text
    dot = graph.to_dot()
    assert dot.startswith("digraph")
    assert dot.count("aten.lstm.input") == 1
    assert repr(graph).startswith("Graph(")
