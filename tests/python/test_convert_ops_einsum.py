"""Einstein summation and the matrix products."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conversion import check_conversion, random_input

EQUATIONS = [
    ("ij,jk->ik", (3, 4), (4, 5)),
    ("bhid,bhjd->bhij", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("bhij,bhjd->bihd", (2, 3, 4, 5), (2, 3, 5, 6)),
    ("bnhd,bmhd->bhnm", (2, 4, 3, 5), (2, 6, 3, 5)),
    ("i,j->ij", (3,), (4,)),
    ("i,i->", (3,), (3,)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("bii->bi", (2, 3, 3)),
    ("ij->ji", (3, 4)),
    ("ij->j", (3, 4)),
    ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
    ("...ij,jk->...ik", (2, 6, 3, 4), (4, 5)),
    ("b...c,cd->b...d", (2, 3, 4, 5), (5, 6)),
    ("bij,bj->bi", (2, 3, 4), (2, 4)),
    ("ij,ij->i", (3, 4), (3, 4)),
    ("abc,cd,de->abe", (2, 3, 4), (4, 5), (5, 6)),
    ("ab,bc,ca->", (2, 3), (3, 4), (4, 2)),
    ("bi,oij,bj->bo", (2, 3), (5, 3, 4), (2, 4)),
    ("nkctv,kvw->nctw", (2, 3, 4, 5, 6), (3, 6, 6)),
    ("iij,jk->ik", (3, 3, 4), (4, 5)),
    ("ij,kj", (3, 4), (5, 4)),
    ("...a,...a->...", (2, 3, 4), (3, 4)),
    ("bhwc,hkc->bhwk", (2, 3, 4, 5), (3, 6, 5)),
    ("a,b,c->abc", (2,), (3,), (4,)),
    ("bij,bjk->ik", (2, 3, 4), (2, 4, 5)),
    ("ij,jk->ki", (3, 4), (4, 5)),
    ("A b C , C b D -> A b D", (2, 3, 4), (4, 3, 5)),
    ("ij,jk->ik", (3, 1), (4, 5)),
    ("bij,bjk->bik", (1, 3, 4), (2, 4, 5)),
]


@pytest.mark.parametrize("case", range(len(EQUATIONS)))
def test_einsum(case):
    equation, *shapes = EQUATIONS[case]
    operands = [random_input(*shape, seed=i) for i, shape in enumerate(shapes)]
    check_conversion(lambda *operands: torch.einsum(equation, *operands), *operands)


class Projection(nn.Module):
    def __init__(self, equation: str, *shape: int) -> None:
        super().__init__()
        self.equation = equation
        self.weight = nn.Parameter(random_input(*shape, seed=3))

    def forward(self, x):
        return torch.einsum(self.equation, x, self.weight)


@pytest.mark.parametrize(
    ("equation", "weight"),
    [("btd,de->bte", (4, 5)), ("btd,ed->bte", (5, 4)), ("btd,dhe->bthe", (4, 2, 3))],
)
def test_a_projection_is_one_product(equation, weight):
    result = check_conversion(Projection(equation, *weight), random_input(2, 3, 4))
    assert result.operators["FULLY_CONNECTED"] == 1
    assert "TRANSPOSE" not in result.operators


SHAPES = [
    ((4,), (2, 4, 5)),
    ((2, 3, 4), (4,)),
    ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (5, 4, 6)),
    ((1, 2, 3, 4), (5, 1, 4, 6)),
    ((1, 2, 1, 3, 4), (2, 2, 3, 4, 5)),
    ((3, 1), (1, 5)),
    ((2, 2, 2, 2, 3, 4), (4, 5)),
]


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_matmul(a, b):
    check_conversion(torch.matmul, random_input(*a), random_input(*b, seed=1))


class Constant(nn.Module):
    def __init__(self, shape, left):
        super().__init__()
        self.matrix = nn.Parameter(random_input(*shape, seed=2))
        self.left = left

    def forward(self, x):
        return self.matrix @ x if self.left else x @ self.matrix


@pytest.mark.parametrize(
    ("a", "b", "left"),
    [
        ((3, 4), (4, 5), True),
        ((3, 4), (4,), True),
        ((3, 4), (2, 4, 5), True),
        ((4,), (2, 4, 5), True),
        ((4, 5), (4,), False),
        ((4,), (2, 3, 4), False),
        ((2, 4, 5), (2, 3, 4), False),
        ((2, 4, 5), (3, 4), False),
    ],
)
def test_matmul_by_a_constant(a, b, left):
    check_conversion(Constant(a, left), random_input(*b))


def test_linear():
    check_conversion(nn.Linear(4, 3), random_input(1, 2, 3, 5, 4))
    x, weight, bias = random_input(2, 3, 4), random_input(5, 4), random_input(5)
    check_conversion(lambda x, w, b: F.linear(x, w * 2, b * 2), x, weight, bias)
    check_conversion(F.linear, random_input(2, 4), random_input(4))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_bilinear(batch, bias):
    model = nn.Bilinear(3, 4, 5, bias=bias)
    check_conversion(model, random_input(*batch, 3), random_input(*batch, 4, seed=1))


def test_vecdot():
    check_conversion(torch.linalg.vecdot, random_input(2, 3), random_input(2, 3, seed=1))
