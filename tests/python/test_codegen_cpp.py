"""Generated C++ code compiles against LibTorch and computes what PyTorch does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import tinyml
from cpp_code import Case, compile_and_run
from test_cli import succeed


class Block(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.project = nn.Conv2d(channels, out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn1(self.conv1(x)) + self.project(x))


class Residual(nn.Module):
    """Shared structs, a Sequential, a constant, a frozen parameter, functions and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(Block(3, 8), nn.MaxPool2d(2), Block(8, 12))
        self.default = nn.Linear(12, 5)  # a keyword of C++
        self.scale = nn.Parameter(torch.tensor([0.5]), requires_grad=False)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.layers(x)
        low, high = F.interpolate(x, scale_factor=2.0).mean((2, 3)).chunk(2, dim=1)
        pooled = torch.cat((low * torch.tensor([1.0, 2, 3, 4, 5, 6]), high / 3), 1) * self.scale
        return self.default(pooled), x.flatten(1).amax(1)


class Attention(nn.Module):
    """Tied weights, indices, views and attention."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.norm = nn.LayerNorm(16)
        self.qkv = nn.Linear(16, 48)
        self.lstm = nn.LSTM(16, 16, batch_first=True)
        self.cell = nn.LSTMCell(16, 16)
        self.head = nn.Linear(16, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.embed(tokens))
        batch, length, _ = x.shape
        x = x + torch.zeros_like(x, dtype=torch.float32)
        q, k, v = self.qkv(x).reshape(batch, length, 3, 2, 8).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = self.lstm(x + attended)[0][:, [0, -1]]
        state = self.cell(x[:, 1], self.cell(x[:, 0]))
        return self.head(x + state[1][:, None])


class Branches(nn.Module):
    """A cond inside a cond, whose branches use weights, and a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        def outer(v: torch.Tensor) -> torch.Tensor:
            return torch.cond(v.max() > 9, lambda v: v - 7, lambda v: self.layer(v).sin(), (v,))

        y = torch.cond(x.sum() > 0, outer, lambda v: v.cos() * 3, (x,))
        steps, z = torch.ops.higher_order.while_loop(
            lambda i, v: (i < 3) & (v.sum() < 1e9),
            lambda i, v: (i + 1, v * 2 + i),
            (torch.zeros((), dtype=torch.int64), x.detach()),
            (),
        )
        return y, z + steps


def test_compiles_and_agrees(tmp_path: Path) -> None:
    torch.manual_seed(0)
    image = torch.randn(2, 3, 8, 8)
    tokens = torch.randint(0, 20, (2, 6))
    residual = Residual()
    quantizer = tinyml.PostQuantizer(nn.Sequential(Block(3, 4)), (image,), tmp_path / "out")
    quantizer.quantize()
    quantized = quantizer.calibrate([(image,)])
    nested = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), nn.Sequential(nn.Conv2d(4, 2, 1)), nn.Tanh()
    )
    cases = [
        Case("nested", nn.Sequential(nested, nn.Flatten()), (image,), tmp_path, train=True),
        Case("residual", residual, (image,), tmp_path, train=True),
        Case("attention", Attention(), (tokens,), tmp_path, train=False),
        Case("quantized", quantized.eval(), (image,), tmp_path, train=False),
        Case("branches", Branches(), (torch.rand(3, 4),), tmp_path, train=False),
        Case(
            "others", Branches().requires_grad_(False), (-torch.rand(3, 4),), tmp_path, train=False
        ),
    ]
    source = cases[1].source()
    assert "struct Block : torch::nn::Module" in source
    assert source.count("struct ") == 2  # both blocks share one
    assert "Conv2dOptions(in_channels, out_channels, 3).padding(1)" in " ".join(source.split())
    assert max(map(len, source.splitlines())) <= 120
    compile_and_run(cases, tmp_path)
    for case in cases:
        case.check()


def test_command(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, image = Residual().eval(), torch.randn(2, 3, 8, 8)
    torch.export.save(torch.export.export(model, (image,)), tmp_path / "m.pt2")
    files = [tmp_path / name for name in ("a.h", "a.safetensors", "b.h", "b.safetensors")]
    tinyml.Graph.load(tmp_path / "m.pt2").generate_code(
        files[2], files[3], class_name="Net", language="cpp"
    )
    succeed("codegen", tmp_path / "m.pt2", "--language", "cpp", "-o", files[0], "--class", "Net")
    assert files[0].read_text() == files[2].read_text()
    assert files[1].read_bytes() == files[3].read_bytes()


@torch.library.custom_op("tinyml_test::twice", mutates_args=())
def twice(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


@twice.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


def test_refuses_bodies_without_a_form(tmp_path: Path) -> None:
    class Branch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cond(x.sum() > 0, twice, lambda x: x - 1, (x,))

    graph = tinyml.trace(Branch(), (torch.randn(3),))
    with pytest.raises(tinyml.Error, match=r"(?s)tinyml_test\.twice"):
        graph.generate_code(tmp_path / "a.h", tmp_path / "a.safetensors", language="cpp")
    assert not list(tmp_path.iterdir())
