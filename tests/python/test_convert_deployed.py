"""The networks that people deploy, float and int8, against PyTorch on two sets of kernels."""

from statistics import fmean

import pytest
import torch
from models import DEPLOYED, calibrate_batch_norm
from torch import nn
from torch.utils._pytree import tree_leaves

import tinyml
from conversion import run_all
from tinyml import PostQuantizer, _core
from tinyml.verification import measure_error

NETWORKS = list(DEPLOYED)
# Its weights are computed from its input.
MOSTLY_FLOAT = {"style_generator"}


def outputs_of(model: nn.Module, inputs: tuple) -> list[torch.Tensor]:
    with torch.no_grad():
        return tree_leaves(model(*inputs))


@pytest.mark.parametrize("name", NETWORKS)
def test_float(name: str) -> None:
    entry = DEPLOYED[name]
    model, inputs = entry.small(), entry.example_inputs()
    result = _core.convert(tinyml.trace(model, inputs))
    for error in run_all(result, inputs, outputs_of(model, inputs)):
        assert error.relative <= 2e-4, error


def steady(name: str) -> nn.Module:
    """Units mostly in their linear part, as a trained network's are: random ones amplify rounding
    by a decibel a layer."""
    entry = DEPLOYED[name]
    model = entry.small()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.bias.add_(1.0)
    return calibrate_batch_norm(model, 0, entry.shape, make_inputs=entry.make_inputs).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_int8(name: str, tmp_path) -> None:
    entry = DEPLOYED[name]
    inputs = entry.example_inputs()
    floating = steady(name)
    config = {"allow_float": name in MOSTLY_FLOAT}
    quantizer = PostQuantizer(floating, inputs, tmp_path, config)
    model = quantizer.calibrate(entry.example_inputs(seed) for seed in range(2))
    result = _core.convert(tinyml.trace(model, inputs))
    assert result.quantized
    # Kernels round otherwise than the simulation; that adds no more than twice its own noise.
    # Single inputs lie several dB apart, so the means of three are compared.
    noise, errors = [], []
    for seed in range(3):
        given = entry.example_inputs(seed)
        simulated = outputs_of(model, given)
        noise.append(
            [
                measure_error("simulation", a.numpy(), b.numpy()).snr_db
                for a, b in zip(outputs_of(floating, given), simulated, strict=True)
            ]
        )
        errors.append(run_all(result, given, simulated))
    for index, draws in enumerate(zip(*errors, strict=True)):
        simulation = fmean(snrs[index % len(snrs)] for snrs in noise)
        snr = fmean(error.snr_db for error in draws)
        assert snr >= min(25, simulation - 3), (snr, simulation, draws)
