"""Normalisation of activations, vectors and weights."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from conversion import check_conversion, random_input

BATCH = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
INSTANCE = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
SHAPES = {1: (3, 4, 6), 2: (3, 4, 5, 6), 3: (2, 4, 3, 5, 6)}


def _initialised(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if name == "running_var":
                tensor.uniform_(0.5, 2, generator=generator)
            elif tensor.is_floating_point():
                tensor.normal_(generator=generator)
    return module


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("kind", [BATCH, INSTANCE])
@pytest.mark.parametrize("dims", BATCH)
def test_statistics_of_channels(dims, kind, affine, running):
    module = kind[dims](4, affine=affine, track_running_stats=running)
    check_conversion(_initialised(module), random_input(*SHAPES[dims]))


def test_batch_norm_of_vectors_without_statistics():
    check_conversion(nn.BatchNorm1d(4, track_running_stats=False), random_input(5, 4))


def test_computed_statistics_and_weights():
    x, mean, variance = random_input(2, 4, 5, 5), random_input(4), random_input(4, seed=2)
    check_conversion(lambda x, m, v: F.batch_norm(x, m, v.abs() + 1), x, mean, variance)
    check_conversion(
        lambda x, w, b: F.batch_norm(x, torch.zeros(4), torch.ones(4), w, b), x, mean, variance
    )
    check_conversion(lambda x, w, b: F.group_norm(x, 2, w * 2, b * 2), x, mean, variance)
    x = random_input(2, 3, 4)
    check_conversion(lambda x, w, b: F.layer_norm(x, (4,), w * 2, b * 2), x, mean, variance)


NORMS = {
    "layer_vector": (nn.LayerNorm(6), (6,)),
    "layer_no_bias": (nn.LayerNorm((5, 6), bias=False), (2, 5, 6)),
    "layer_all": (nn.LayerNorm((2, 5, 6), elementwise_affine=False), (2, 5, 6)),
    "group_2d": (nn.GroupNorm(2, 8), (4, 8)),
    "group_3d": (nn.GroupNorm(2, 8), (4, 8, 5)),
    "group_5d": (nn.GroupNorm(2, 8), (2, 8, 3, 3, 2)),
    "group_channels_2d": (nn.GroupNorm(8, 8), (4, 8)),
    "rms": (nn.RMSNorm(6), (2, 5, 6)),
    "rms_two": (nn.RMSNorm((5, 6), eps=1e-3, elementwise_affine=False), (2, 5, 6)),
    "local_response_3d": (nn.LocalResponseNorm(3, 0.1, 0.75, 2.0), (2, 7, 5)),
    "local_response_4d": (nn.LocalResponseNorm(4, 0.1, 0.5), (2, 7, 4, 5)),
    "local_response_5d": (nn.LocalResponseNorm(3, 0.1, 0.75), (2, 7, 3, 4, 2)),
    "normalize": (lambda x: F.normalize(x), (2, 3, 4)),
    "normalize_last": (lambda x: F.normalize(x, dim=-1), (2, 3, 4)),
    "normalize_1": (lambda x: F.normalize(x, p=1, dim=2), (2, 3, 4)),
    "normalize_3": (lambda x: F.normalize(x, p=3.0, dim=2, eps=0.1), (2, 3, 4)),
    "normalize_zero": (lambda x: F.normalize(x * torch.tensor([[1.0], [0.0]])), (2, 3)),
}


@pytest.mark.parametrize("name", NORMS)
def test_normalization(name):
    model, shape = NORMS[name]
    module = _initialised(model) if isinstance(model, nn.Module) else model
    check_conversion(module, random_input(*shape))


WEIGHTS = {
    "weight_norm": (lambda: parametrizations.weight_norm(nn.Conv2d(4, 6, 3)), (1, 4, 5, 5)),
    "weight_norm_all": (lambda: parametrizations.weight_norm(nn.Linear(4, 6), dim=None), (2, 4)),
    "weight_norm_1d": (lambda: parametrizations.weight_norm(nn.Conv1d(4, 6, 3)), (1, 4, 5)),
    "spectral_norm": (lambda: parametrizations.spectral_norm(nn.Conv2d(4, 6, 3)), (1, 4, 5, 5)),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_parametrized_weights_cost_nothing(name):
    model, shape = WEIGHTS[name]
    result = check_conversion(model(), random_input(*shape))
    assert set(result.operators) <= {"CONV_2D", "FULLY_CONNECTED", "RESHAPE", "TRANSPOSE"}


SIMILARITIES = {
    "cosine": (nn.CosineSimilarity(), (2, 3, 4), (2, 3, 4)),
    "cosine_broadcast": (nn.CosineSimilarity(dim=-1), (2, 3, 4), (3, 4)),
    "cosine_broadcast_axis": (nn.CosineSimilarity(dim=-1), (2, 3, 4), (3, 1)),
    "cosine_vectors": (lambda a, b: F.cosine_similarity(a, b, dim=0), (5,), (5,)),
    "distance": (nn.PairwiseDistance(), (3, 4), (3, 4)),
    "distance_1": (nn.PairwiseDistance(p=1, keepdim=True), (3, 4), (3, 4)),
    "distance_3": (nn.PairwiseDistance(p=3, eps=0.01), (3, 4), (3, 4)),
    "distance_inf": (nn.PairwiseDistance(p=float("inf")), (3, 4), (3, 4)),
    "distance_broadcast": (nn.PairwiseDistance(), (2, 3, 4), (3, 4)),
}


@pytest.mark.parametrize("name", SIMILARITIES)
def test_similarity(name):
    model, a, b = SIMILARITIES[name]
    check_conversion(model, random_input(*a), random_input(*b, seed=1))


CORE = {
    "layer": lambda x: torch.ops.aten.native_layer_norm(x, [5], torch.arange(5.0), None, 1e-5)[0],
    "group": lambda x: torch.ops.aten.native_group_norm(x, None, None, 2, 4, 15, 2, 1e-5)[0],
    "batch": lambda x: torch.ops.aten._native_batch_norm_legit.no_stats(
        x, None, None, True, 0.1, 1e-5
    )[0],
}


@pytest.mark.parametrize("name", CORE)
def test_core_aten_forms(name):
    check_conversion(CORE[name], random_input(2, 4, 3, 5))
