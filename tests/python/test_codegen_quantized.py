"""Generated code of quantized graphs uses tinyml.nn's modules, computes the same and trains."""

from pathlib import Path

import pytest
import torch
from models import ZOO
from torch import nn

import tinyml
from codegen_util import generate
from tinyml import _core


class SharedBlock(nn.Module):
    """A block, and so the FakeQuants in it, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2))
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(self.block(self.block(x)).mean((2, 3)))


def quantized(model: nn.Module, x: torch.Tensor) -> tinyml.Graph:
    graph, _report = _core.quantize(tinyml.trace(model, x), "")
    return graph


def check(model: nn.Module, x: torch.Tensor, folder: Path) -> nn.Module:
    graph = quantized(model, x)
    graph.save(folder / "q.pt2")
    reference = torch.export.load(folder / "q.pt2").module()
    ours = generate(graph, folder)
    torch.testing.assert_close(ours.eval()(x), reference(x), rtol=1e-5, atol=1e-5)
    return ours


@pytest.mark.parametrize("name", ["resnet8", "mobilenet_v2"])
def test_zoo(name: str, tmp_path: Path) -> None:
    entry = ZOO[name]
    ours = check(entry.small(), entry.example_input(), tmp_path)
    source = (tmp_path / "generated.py").read_text()
    assert "qnn.FakeQuantize()" in source
    assert "qnn.ConvBn2d(" in source
    assert "fake_quantize" not in source.replace("FakeQuantize", "")
    ours.train()
    ours(torch.randn(4, *entry.shape[1:])).square().mean().backward()
    missing = [name for name, p in ours.named_parameters() if p.grad is None]
    assert not missing
    # What was trained is captured and written again.
    x = entry.example_input()
    again = generate(tinyml.trace(ours, x), tmp_path)
    torch.testing.assert_close(again.eval()(x), ours.eval()(x), rtol=1e-5, atol=1e-5)
    assert sorted(again.state_dict()) == sorted(ours.state_dict())


def test_shared_fake_quants(tmp_path: Path) -> None:
    ours = check(SharedBlock(), torch.randn(1, 3, 8, 8), tmp_path)
    assert isinstance(ours.block["0"], tinyml.nn.QuantConv2d)
    assert sum(isinstance(m, tinyml.nn.FakeQuantize) for m in ours.block.modules()) == 1
