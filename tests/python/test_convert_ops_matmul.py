"""Products of matrices and vectors, distances."""

import pytest
import torch
import torch.nn.functional as F

from conversion import check_conversion, random_input

A = random_input(2, 4, 5)
B = random_input(2, 5, 3, seed=1)

PRODUCTS = {
    "matmul": torch.matmul,
    "operator": lambda a, b: a @ b,
    "bmm": torch.bmm,
    "matrix_vector": lambda a, b: a @ b[0, :, 0],
    "vector_matrix": lambda a, b: a[0, 0] @ b,
    "vectors": lambda a, b: a[0, 0] @ b[0, :, 0],
    "mm": lambda a, b: torch.mm(a[0], b[0]),
    "mv": lambda a, b: torch.mv(a[0], b[0, :, 0]),
    "dot": lambda a, b: torch.dot(a[0, 0], b[0, :, 0]),
    "vdot": lambda a, b: torch.vdot(a[0, 0], b[0, :, 0]),
    "inner": lambda a, b: torch.inner(a[0], b[0].mT),
    "outer": lambda a, b: torch.outer(a[0, 0], b[0, 0]),
    "ger": lambda a, b: torch.ger(a[0, 0], b[0, 0]),
    "transposed": lambda a, b: b.mT @ a.mT,
    "broadcast": lambda a, b: a.unsqueeze(1) @ b,
    "rank_five": lambda a, b: a[None, None].expand(1, 3, 2, 4, 5) @ b,
    "addmm": lambda a, b: torch.addmm(a[0, :, :3], a[0], b[0], beta=0.5, alpha=2),
    "addmm_bias": lambda a, b: torch.addmm(a[0, 0, :3], a[0], b[0]),
    "addmv": lambda a, b: torch.addmv(a[0, :, 0], a[0], b[0, :, 0], alpha=2, beta=0),
    "addr": lambda a, b: torch.addr(a[0, :, :3], a[0, :, 0], b[0, 0], beta=2, alpha=0.5),
    "addbmm": lambda a, b: torch.addbmm(a[0, :, :3], a, b, beta=0.5, alpha=2),
    "baddbmm": lambda a, b: torch.baddbmm(a[..., :3], a, b, beta=0.5, alpha=2),
    "baddbmm_broadcast": lambda a, b: torch.baddbmm(a[:1, :1, :3], a, b),
    "chain": lambda a, b: torch.linalg.multi_dot([a[0], b[0], b[1].mT]),
    "matrix_power": lambda a, b: torch.linalg.matrix_power(a[0, :4, :4], 3),
    "kron": lambda a, b: torch.kron(a[0], b[0]),
    "tensordot": lambda a, b: torch.tensordot(a, b, dims=([0, 2], [0, 1])),
    "tensordot_number": lambda a, b: torch.tensordot(a[0], b[0], dims=1),
    "cross": lambda a, b: torch.linalg.cross(a[:, :, :3], b[:, :4, :]),
    "cross_dim": lambda a, b: torch.cross(a[:, :3, 0], b[:, :3, 0], dim=1),
    "trapezoid": lambda a, b: torch.cumulative_trapezoid(a, dim=1),
    "cosine_similarity": lambda a, b: F.cosine_similarity(a[:, :, :3], b[:, :4, :], dim=-1),
    "pairwise_distance": lambda a, b: F.pairwise_distance(a[0, :, :3], b[0, :4]),
    "pdist": lambda a, b: F.pdist(a[0]),
    "vander": lambda a, b: torch.linalg.vander(a[0], N=3),
    "block_diag": lambda a, b: torch.block_diag(a[0], b[0]),
    "cartesian": lambda a, b: torch.cartesian_prod(a[0, 0], b[0, 0]),
    "integer": lambda a, b: ((a * 3).int()[0, :, :, None] * (b * 3).int()[0]).sum(1),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_product(name):
    check_conversion(PRODUCTS[name], A, B)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
def test_cdist(p):
    check_conversion(lambda a, b: torch.cdist(a, b.mT, p=p), A, B)


@pytest.mark.parametrize("mode", ["use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"])
def test_cdist_modes(mode):
    check_conversion(lambda a, b: torch.cdist(a, b.mT, compute_mode=mode), A, B)


def test_cdist_of_many_points():
    check_conversion(torch.cdist, random_input(30, 4), random_input(27, 4, seed=1))


def test_constant_matrices():
    weight, batches = random_input(5, 3), random_input(2, 5, 3)
    check_conversion(lambda a: (a @ weight, a @ batches, weight.mT @ a.mT, a @ weight[:, 0]), A)
