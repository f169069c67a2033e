"""Generated code of small modules, each with something that is easily got wrong."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import tinyml
from codegen_util import generate, import_file, round_trip


class SharedModules(nn.Module):
    """One module under two names, one called twice with different shapes, a shared activation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.again = self.layers[0]
        self.act = nn.ReLU(inplace=True)
        self.block = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

    def forward(self, x):
        x = self.act(self.conv(x))
        x = self.conv(F.max_pool2d(x, 2)).mean((2,))
        for layer in self.layers:
            x = self.act(layer(x))
        return self.again(self.block(self.block(x)))


class Scale(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels, 1, 1), 0.5))
        self.register_buffer("offset", torch.arange(channels).float().view(-1, 1, 1))
        self.register_buffer("hidden", torch.tensor([1.5]), persistent=False)
        self.table = torch.randn(channels, 40, 1)

    def forward(self, x):
        return x * self.gamma + self.offset * self.hidden + self.table.mean(1, keepdim=True)


class TensorsOfItsOwn(nn.Module):
    """Parameters, buffers and constants used directly, nested and unused."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.ModuleDict({"first": Scale(3), "second": Scale(3)})
        self.unused = nn.Linear(2, 2)
        self.bias = nn.Parameter(torch.zeros(3, 1, 1))

    def forward(self, x):
        x = self.scale["first"](x) + self.scale["second"](x)
        return x + self.bias + torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1)


class TiedWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 6, padding_idx=0)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(self.norm(self.embed(tokens)))


class Trees(nn.Module):
    """Nested inputs, keyword arguments, constants, a dictionary of outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, pair, options, *, scale=2, bias=None):
        a, (b, _unused) = pair
        y = self.fc(a) * scale + options["shift"]
        if bias is not None:
            y = y + bias
        return {"sum": y + b, "parts": [y, (b, None)], "number": 3, "same": a}


class Functional(nn.Module):
    """No modules at all."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 3, 3, 3) * 0.2)
        self.gain = nn.Parameter(torch.rand(6) + 0.5)
        self.shift = nn.Parameter(torch.rand(6))
        self.register_buffer("mean", torch.rand(6))
        self.register_buffer("var", torch.rand(6) + 0.5)

    def forward(self, x):
        x = F.conv2d(x, self.weight, None, 2, 1)
        x = F.batch_norm(x, self.mean, self.var, self.gain, self.shift, self.training, 0.2)
        x = F.dropout(F.leaky_relu(x, 0.2), 0.3, self.training)
        a, b, c = torch.split(x, [1, 2, 3], dim=1)
        x = torch.cat([c, b * 2 - 1, -a], 1)[:, 1:, ::2]
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = F.pad(x, (1, 2), value=0.5) ** 2
        y, _ = x.max(dim=3)
        return F.softmax(y.permute(0, 2, 1).flatten(1), dim=1), x.reshape(x.size(0), 5, -1, 2)


class Reflecting(nn.Conv2d):
    """A subclass is not the class: its forward is written out."""

    def forward(self, x):
        return super().forward(x) * 2 + self.weight.mean()


class Layers(nn.Module):
    """One of many kinds, with arguments away from the defaults."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(2, 8, (3, 1), stride=(2, 1), padding="valid", dilation=(1, 2)),
                reflect=nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect", groups=2),
                sub=Reflecting(8, 8, 1),
                norm=nn.GroupNorm(2, 8, eps=1e-3),
                act=nn.PReLU(8),
                up=nn.ConvTranspose2d(8, 4, 3, stride=2, output_padding=1, groups=2),
                inst=nn.InstanceNorm2d(4, affine=True),
                idle=nn.Identity(),
                gelu=nn.GELU(approximate="tanh"),
                drop=nn.Dropout2d(0.25),
            )
        )
        self.tail = nn.Sequential(
            nn.BatchNorm2d(4, momentum=None, affine=False),
            nn.Identity(),
            nn.ZeroPad2d((1, 0, 2, 0)),
            nn.AvgPool2d(3, stride=2, count_include_pad=False),
            nn.PixelShuffle(2),
            nn.Upsample(size=(9, 7), mode="nearest"),
            nn.Hardtanh(-2, 2),
            nn.AdaptiveMaxPool2d((3, 2)),
            nn.Flatten(),
            nn.Linear(6, 5),
            nn.Unflatten(1, (5, 1)),
            nn.Softmax(dim=1),
        )

    def forward(self, x):
        return self.tail(self.features(x))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 3, 2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(6, 5, batch_first=True)
        self.attention = nn.MultiheadAttention(5, 1, batch_first=True)

    def forward(self, x, state):
        x, (h, c) = self.lstm(x, state)
        x, _ = self.gru(x)
        y, _ = self.attention(x, x, x, need_weights=False)
        return x + y, h, c


class Cells(nn.Module):
    """Cells with states of their own and given ones."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTMCell(4, 3)
        self.gru = nn.GRUCell(3, 5, bias=False)
        self.rnn = nn.RNNCell(5, 2, nonlinearity="relu")

    def forward(self, x):
        state = self.lstm(x)
        state = self.lstm(x.flip(0), state)
        return self.rnn(self.gru(state[0], torch.ones(2, 5))), state[1]


class Loops(nn.Module):
    """Modules called from a loop over parts of a Sequential, several results, several inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(3)])
        self.merge = Merge()

    def forward(self, x):
        taps = []
        for layer in self.body:
            x = layer(x)
            taps.append(x)
        low, high = self.merge(*taps)
        return low, high, self.merge(high, low, x)


class Merge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(9, 4, 1)

    def forward(self, a, b, c):
        y = self.conv(torch.cat((a, b, c), 1))
        return y[:, :3], y[:, 1:]


class Awkward(nn.Module):
    """Names that are no identifiers, frozen weights, integers and empty tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("1st", nn.Linear(4, 4))
        self.add_module("class", nn.Linear(4, 4).requires_grad_(False))
        self.register_parameter("a-b", nn.Parameter(torch.ones(4), requires_grad=False))
        self.register_buffer("for", torch.arange(4))
        self.parts = nn.ModuleDict({"one": nn.Linear(4, 4), "two three": nn.Linear(4, 4)})
        self.self = nn.Linear(4, 4).to(torch.bfloat16)
        self.none = nn.Parameter(torch.zeros(0, 4))

    def forward(self, x):
        y = getattr(self, "class")(getattr(self, "1st")(x) * getattr(self, "a-b"))
        y = self.parts["two three"](self.parts["one"](y)) + getattr(self, "for")
        y = y + self.self(x.to(torch.bfloat16)).float()
        return torch.cat([y, self.none])


class SharedByTwo(nn.Module):
    """A block that two others call as their own."""

    class Outer(nn.Module):
        def __init__(self, shared: nn.Module) -> None:
            super().__init__()
            self.shared = shared
            self.own = nn.Linear(4, 4)

        def forward(self, x):
            return self.own(self.shared(x))

    def __init__(self) -> None:
        super().__init__()
        shared = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.a = self.Outer(shared)
        self.b = self.Outer(shared)

    def forward(self, x):
        return self.b(self.a(x)) + self.a.shared[0](x)


class Trained(nn.Module):
    """Another branch while training, and a buffer that counts calls."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(4)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.calls += 1
        if self.training:
            x = x + 1
        return self.bn(x) * self.calls


IMAGE = (torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)),)
VECTOR = (torch.randn(2, 4, generator=torch.Generator().manual_seed(0)),)


@pytest.mark.parametrize(
    ("model", "args"),
    [
        (SharedModules(), IMAGE[0]),
        (TensorsOfItsOwn(), IMAGE[0]),
        (TiedWeights(), torch.tensor([[1, 0, 3], [4, 5, 10]])),
        (Functional(), IMAGE[0]),
        (Layers(), torch.randn(2, 2, 9, 8)),
        (Loops(), IMAGE[0]),
        (Awkward(), VECTOR[0]),
        (SharedByTwo(), VECTOR[0]),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()), IMAGE[0]),
        (nn.Linear(4, 2).double(), VECTOR[0].double()),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_round_trip(model: nn.Module, args: torch.Tensor, tmp_path: Path) -> None:
    round_trip(model, (args,), tmp_path)


def test_nested_inputs_and_outputs(tmp_path: Path) -> None:
    a, b, c, d = torch.randn(4, 2, 4).unbind()
    ours = round_trip(
        Trees(), ((a, [b, c]), {"shift": d}), tmp_path, kwargs={"scale": 3, "bias": c}
    )
    assert ours((a, [b, c]), {"shift": d}, bias=c)["number"] == 3


def test_recurrent(tmp_path: Path) -> None:
    state = (torch.zeros(4, 2, 3), torch.ones(4, 2, 3))
    round_trip(Recurrent(), (torch.randn(2, 5, 4), state), tmp_path)
    source = (tmp_path / "generated.py").read_text()
    assert "nn.LSTM(4, 3, num_layers=2, batch_first=True, bidirectional=True)" in source
    assert "nn.GRU(6, 5, batch_first=True)" in source


def test_recurrent_cells(tmp_path: Path) -> None:
    round_trip(Cells(), VECTOR, tmp_path)
    source = (tmp_path / "generated.py").read_text()
    assert "nn.LSTMCell(4, 3)" in source
    assert "self.lstm(x)" in source  # its own state of zeros
    assert "nn.GRUCell(3, 5, bias=False)" in source
    assert 'nn.RNNCell(5, 2, nonlinearity="relu")' in source


def test_train_mode_capture(tmp_path: Path) -> None:
    model = Trained().train()
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(model, VECTOR), path)
    ours = generate(tinyml.Graph.load(path), tmp_path)
    for _ in range(3):
        torch.testing.assert_close(ours(*VECTOR), model(*VECTOR))
    assert ours.calls == 3
    for (name, a), b in zip(ours.state_dict().items(), model.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, msg=name)


def test_reads_like_a_person_wrote_it(tmp_path: Path) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU6()
    )
    round_trip(model, IMAGE, tmp_path)
    source = (tmp_path / "generated.py").read_text()
    assert "nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False)," in source
    assert "nn.BatchNorm2d(32)," in source
    assert "nn.ReLU6()," in source
    assert "torch.ops" not in source


def test_a_shared_module_is_one_module(tmp_path: Path) -> None:
    ours = round_trip(SharedModules(), IMAGE, tmp_path)
    assert ours.again is ours.layers[0]
    tied = round_trip(TiedWeights(), (torch.tensor([[1, 2]]),), tmp_path)
    assert tied.head.weight is tied.embed.weight


def test_safetensors_need_no_torch_to_write(tmp_path: Path) -> None:
    model = TensorsOfItsOwn().eval()
    graph = tinyml.trace(model, IMAGE)
    graph.generate_code(tmp_path / "m.py", tmp_path / "m.safetensors", "M")
    ours = import_file(tmp_path / "m.py").load().eval()
    torch.testing.assert_close(ours(*IMAGE), model(*IMAGE))


def test_edited_code_is_loaded_again(tmp_path: Path) -> None:
    generate(tinyml.trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), VECTOR), tmp_path)
    path = tmp_path / "generated.py"
    path.write_text(path.read_text().replace("nn.ReLU()", "nn.Tanh()"))
    assert isinstance(import_file(path).load()[1], nn.Tanh)


def test_bad_class_name_is_refused(tmp_path: Path) -> None:
    graph = tinyml.trace(nn.ReLU(), VECTOR)
    with pytest.raises(tinyml.Error, match="not a Python class name"):
        graph.generate_code(tmp_path / "m.py", tmp_path / "m.pt", "1st model")
    assert not (tmp_path / "m.py").exists()


class Parallel(nn.Module):
    """Many modules on the same input."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        return [layer(x) for layer in self.layers]


MAPS = (
    [
        nn.Conv2d(4, 6, (3, 5), stride=(1, 2), padding=(1, 2), groups=2),
        nn.Conv2d(4, 4, 3, padding="same", bias=False),
        nn.Conv2d(4, 4, 3, padding=(1, 2), padding_mode="circular"),
        nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1, groups=2, dilation=2, bias=False),
        nn.BatchNorm2d(4, eps=1e-3, momentum=0.2),
        nn.BatchNorm2d(4, track_running_stats=False),
        nn.InstanceNorm2d(4, track_running_stats=True),
        nn.GroupNorm(2, 4, affine=False),
        nn.LayerNorm((6, 6), elementwise_affine=False),
        nn.LayerNorm(6, bias=False),
        nn.RMSNorm(6),
        nn.Linear(6, 3, bias=False),
        nn.PReLU(init=0.3),
    ],
    [
        nn.ReLU(),
        nn.ReLU6(),
        nn.Hardtanh(-0.5, 2.0),
        nn.LeakyReLU(0.2),
        nn.ELU(0.5),
        nn.CELU(0.5),
        nn.SELU(),
        nn.GELU(),
        nn.GELU("tanh"),
        nn.SiLU(),
        nn.Mish(),
        nn.Sigmoid(),
        nn.Tanh(),
        nn.Hardswish(),
        nn.Hardsigmoid(),
        nn.LogSigmoid(),
        nn.Softplus(2.0),
        nn.Softshrink(0.3),
        nn.Hardshrink(0.3),
        nn.Threshold(0.1, 20.0),
        nn.GLU(1),
        nn.Softmax(dim=1),
        nn.LogSoftmax(dim=-1),
        nn.Softmax2d(),
    ],
    [
        nn.Dropout(0.3),
        nn.Dropout2d(0.1),
        nn.AlphaDropout(0.2),
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
        nn.AvgPool2d((2, 3), stride=1, count_include_pad=False),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Flatten(0, 2),
        nn.Unflatten(1, (2, 2)),
        nn.PixelShuffle(2),
        nn.PixelUnshuffle(2),
        nn.ChannelShuffle(2),
        nn.ZeroPad2d((1, 2, 0, 3)),
        nn.ConstantPad2d(1, 0.5),
        nn.ReflectionPad2d(2),
        nn.ReplicationPad2d((1, 1, 0, 0)),
        nn.CircularPad2d(1),
        nn.Upsample(scale_factor=2.0),
        nn.Upsample(size=(7, 9), mode="bilinear", align_corners=True),
        nn.Upsample(scale_factor=(2.0, 3.0), mode="bicubic"),
    ],
)


@pytest.mark.parametrize("layers", MAPS, ids=["tensors", "activations", "shapes"])
def test_library_modules_stay_modules(layers: list[nn.Module], tmp_path: Path) -> None:
    model = Parallel(*layers)
    x = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    ours = round_trip(model, (x,), tmp_path)
    for mine, original in zip(ours.layers, layers, strict=True):
        assert type(mine) is type(original)
        same = repr(mine) == repr(original)
        assert same or isinstance(original, nn.modules.padding._ConstantPadNd | nn.Upsample)
