"""FakeQuants train in C++ as tinyml.nn's modules do: steps of gradient descent, and calibration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from models import ZOO
from torch import nn

import tinyml
from tinyml import _core
from tinyml.nn import calibrating, fake_quantizers, set_observers
from tinyml.nn.fake_quantize import FakeQuantize
from train_cases import assert_same, run_cases

# State of the Python modules that a graph does not have.
_OWN = ("observer_enabled", "fake_quant_enabled", "running_min", "running_max", "histogram")


class Layers(nn.Module):
    """Every kind of folded layer, one with a weight of its own scale, concatenation, pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, bias=False)
        self.stem_bn = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.depthwise_bn = nn.BatchNorm2d(8, momentum=None)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.up_bn = nn.BatchNorm2d(4)
        self.head = nn.Linear(12, 6)
        self.head_bn = nn.BatchNorm1d(6)
        self.out = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem_bn(self.stem(x)))
        y = torch.sigmoid(self.depthwise_bn(self.depthwise(x)))
        z = self.up_bn(self.up(x)).relu()
        pooled = torch.cat([y.mean((2, 3)), nn.functional.avg_pool2d(z, 2).mean((2, 3))], 1)
        return self.out(self.head_bn(self.head(pooled)).relu())


class Further(nn.Module):
    """Three dimensions, a transposed layer over one, a layer that is called twice, steps."""

    def __init__(self) -> None:
        super().__init__()
        self.volume = nn.Conv3d(3, 4, (2, 3, 3), bias=False)
        self.volume_bn = nn.BatchNorm3d(4)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.twice_bn = nn.BatchNorm2d(4)
        self.up = nn.ConvTranspose1d(4, 6, 2, stride=2)
        self.up_bn = nn.BatchNorm1d(6)
        self.steps = nn.GRU(6, 5, batch_first=True)
        self.out = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.volume_bn(self.volume(x)).relu().squeeze(2)
        x = self.twice_bn(self.twice(x)).relu()
        x = self.twice_bn(self.twice(x)).relu()
        x = self.up_bn(self.up(x.mean(3))).relu()
        return self.out(self.steps(x.transpose(1, 2))[0].mean(1))


def write_case(
    folder: Path, model: nn.Module, shape: tuple[int, ...], config: dict, mode: str
) -> None:
    """Trains or calibrates the module that Python generates, and writes what became of it."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    batches = [torch.randn(shape) * (1 + 0.3 * i) for i in range(3)]
    graph, _ = _core.quantize(tinyml.trace(model.eval(), batches[0]), json.dumps(config))
    graph.save(folder / "model.pt2")
    (folder / "mode.txt").write_text(mode)
    module = tinyml.QATQuantizer(model, batches[0], folder / "code", config).quantize()
    # The scales start from the dummy input there; from the first batch here.
    for _, quantizer in fake_quantizers(module):
        if isinstance(quantizer, FakeQuantize):
            quantizer.reset_statistics()
    for i, batch in enumerate(batches):
        np.save(folder / f"input{i}.npy", batch.numpy())
    if mode == "sgd":
        with torch.no_grad():
            cotangent = torch.randn_like(model(batches[0]))
        np.save(folder / "cotangent0.npy", cotangent.numpy())
        for batch in batches:
            module.zero_grad()
            (module(batch) * cotangent).sum().backward()
            with torch.no_grad():
                for parameter in module.parameters():
                    if parameter.grad is not None:
                        parameter -= 0.02 * parameter.grad
    else:
        set_observers(module, False)  # scales of weights stay those that quantize() has chosen
        module.eval()
        with torch.no_grad(), calibrating(module):
            for batch in batches:
                module(batch)
    module.eval()
    np.save(folder / "output0.npy", module(batches[0]).detach().numpy())
    for name, tensor in module.state_dict().items():
        if not name.endswith(_OWN):
            np.save(folder / f"state.{name}.npy", tensor.numpy())


CASES = {
    "default": ({}, "sgd"),
    "min_max": ({"observer": "min_max", "per_tensor": True}, "sgd"),
    "symmetric": ({"asymmetric": False}, "sgd"),
    "mse": ({"observer": "mse"}, "calibrate"),
}


def test_layers(tmp_path: Path) -> None:
    folders = []
    for name, (config, mode) in CASES.items():
        folders.append(tmp_path / name)
        torch.manual_seed(1)
        write_case(folders[-1], Layers(), (4, 3, 8, 8), config, mode)
    results = run_cases(folders)
    for folder in folders:
        assert_same(folder, results[str(folder)], 1e-3)


def test_further_layers(tmp_path: Path) -> None:
    folders = [tmp_path / mode for mode in ("sgd", "calibrate")]
    for folder in folders:
        torch.manual_seed(1)
        write_case(folder, Further(), (4, 3, 2, 6, 5), {}, folder.name)
    results = run_cases(folders)
    for folder in folders:
        assert_same(folder, results[str(folder)], 1e-3)


def test_network(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_case(folder, ZOO["resnet8"].small(), (2, 3, 32, 32), {}, "sgd")
    assert_same(folder, run_cases([folder])[str(folder)], 1e-3)
