"""Reductions, norms, statistics, cumulative functions, sorting."""

import pytest
import torch
import torch.nn.functional as F

from conversion import check_conversion, random_input

X = random_input(2, 3, 4, 5)
INTEGERS = torch.tensor([[-7, 3, 5, 3], [2, -1, 9, -1]])

REDUCTIONS = {
    "mean": lambda x: x.mean(),
    "mean_dims": lambda x: x.mean([2, 3]),
    "mean_keep": lambda x: x.mean((-1, -2), keepdim=True),
    "mean_type": lambda x: (x > 0).sum(1).mean(dtype=torch.float32),
    "sum": lambda x: x.sum(1),
    "sum_all": lambda x: x.sum(),
    "sum_negative": lambda x: x.sum(-2, keepdim=True),
    "sum_none": lambda x: x.sum(()),
    "sum_bool": lambda x: (x > 0).sum(1),
    "sum_type": lambda x: x.int().sum(1, dtype=torch.float32),
    "nansum": lambda x: torch.nansum(torch.where(x > 1, float("nan"), x), 1),
    "nanmean": lambda x: torch.nanmean(torch.where(x > 1, float("nan"), x), 1),
    "vecdot": lambda x: torch.linalg.vecdot(x, x + 1, dim=1),
    "amax": lambda x: x.amax((1, 3)),
    "amin": lambda x: x.amin(-1, keepdim=True),
    "aminmax": lambda x: tuple(torch.aminmax(x, dim=1)),
    "aminmax_all": lambda x: tuple(torch.aminmax(x)),
    "max": lambda x: x.max(),
    "max_values": lambda x: x.max(1).values,
    "max_both": lambda x: tuple(torch.max(x, 1, keepdim=True)),
    "min_both": lambda x: tuple(torch.min(x, 2)),
    "min_last": lambda x: tuple(torch.min(x, -1)),
    "argmax": lambda x: x.argmax(1),
    "argmax_keep": lambda x: x.argmax(2, keepdim=True),
    "argmax_flat": lambda x: x.argmax(),
    "argmin": lambda x: x.argmin(-1),
    "argmax_integers": lambda x: (x * 3).int().argmax(-1),
    "prod": lambda x: x.prod(1),
    "prod_all": lambda x: x[0, 0].prod(),
    "prod_keep": lambda x: x.prod(-1, keepdim=True),
    "var": lambda x: x.var(1),
    "var_all": lambda x: x.var(),
    "var_biased": lambda x: x.var((2, 3), unbiased=False),
    "var_correction": lambda x: torch.var(x, dim=1, correction=0, keepdim=True),
    "std": lambda x: x.std(1, keepdim=True),
    "std_all": lambda x: x.std(unbiased=False),
    "var_mean": lambda x: torch.var_mean(x, (1, 2)),
    "var_mean_all": lambda x: torch.var_mean(x),
    "std_mean": lambda x: torch.std_mean(x, dim=-1, correction=0, keepdim=True),
    "norm": lambda x: x.norm(dim=1),
    "norm_all": lambda x: x.norm(),
    "norm_1": lambda x: torch.linalg.vector_norm(x, 1, dim=1),
    "norm_3": lambda x: torch.linalg.vector_norm(x, 3, dim=(1, 2), keepdim=True),
    "norm_0": lambda x: torch.linalg.vector_norm(x.round(), 0, dim=1),
    "norm_inf": lambda x: torch.linalg.vector_norm(x, float("inf"), dim=(1, 2)),
    "norm_minus_inf": lambda x: torch.linalg.vector_norm(x, -float("inf"), dim=1),
    "norm_half": lambda x: torch.linalg.vector_norm(x, 0.5, dim=1),
    "frobenius": lambda x: torch.linalg.matrix_norm(x),
    "matrix_norm_1": lambda x: torch.linalg.matrix_norm(x, 1),
    "linalg_norm": lambda x: torch.linalg.norm(x, dim=(1, 2)),
    "normalize": lambda x: F.normalize(x, dim=1),
    "renorm": lambda x: torch.renorm(x, 2, 1, 1.5),
    "logsumexp": lambda x: x.logsumexp(1),
    "logsumexp_dims": lambda x: x.logsumexp((-1, 1), keepdim=True),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(-2),
    "softmin": lambda x: F.softmin(x, 2),
    "softmax_type": lambda x: x.int().softmax(1, dtype=torch.float32),
    "any": lambda x: (x > 1).any(1),
    "any_all": lambda x: (x > 1).any(),
    "any_keep": lambda x: (x > 1).any(-1, keepdim=True),
    "any_dims": lambda x: (x > 2).any((1, 2)),
    "any_of_numbers": lambda x: x.round().any(-1),
    "all": lambda x: (x > -1).all(-1),
    "all_of_integers": lambda x: x.round().int().all(1),
    "count_nonzero": lambda x: torch.count_nonzero(x.round(), 1),
    "median": lambda x: tuple(x.median(1)),
    "median_all": lambda x: x.median(),
    "kthvalue": lambda x: tuple(x.kthvalue(2, -1, keepdim=True)),
    "quantile": lambda x: torch.quantile(x, 0.3, dim=1),
    "trace": lambda x: torch.trace(x[0, 0]),
    "logcumsumexp": lambda x: x.logcumsumexp(1),
    "cumsum": lambda x: x.cumsum(1),
    "cumsum_last": lambda x: x.cumsum(-1),
    "cumsum_bool": lambda x: (x > 0).cumsum(2),
    "cumsum_in_place": lambda x: (x * 1).cumsum_(0),
    "cumprod": lambda x: x.cumprod(1),
    "cumprod_last": lambda x: x.cumprod(-1),
    "cummax": lambda x: tuple(x.cummax(-1)),
    "cummin_values": lambda x: x.cummin(1).values,
    "diff": lambda x: x.diff(dim=-1),
    "diff_twice": lambda x: x.diff(n=2, dim=1),
    "trapezoid": lambda x: torch.trapezoid(x, dim=1),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction(name):
    check_conversion(REDUCTIONS[name], X)


RANKS = [(), (4,), (3, 4), (2, 3, 4), (2, 1, 3, 2, 2), (1, 2, 2, 3, 2, 2)]


@pytest.mark.parametrize("shape", RANKS, ids=str)
@pytest.mark.parametrize("name", ["sum", "amax", "var", "argmax", "softmax", "sort", "cumsum"])
def test_ranks(name, shape):
    functions = {
        "sum": lambda x: x.sum(-1),
        "amax": lambda x: x.amax(0, keepdim=True),
        "var": lambda x: x.var(0, unbiased=False),
        "argmax": lambda x: x.argmax(-1),
        "softmax": lambda x: x.softmax(0),
        "sort": lambda x: tuple(x.sort(0)),
        "cumsum": lambda x: x.cumsum(0),
    }
    check_conversion(functions[name], random_input(*shape))


INTEGER = {
    "sum": lambda x: x.sum(1),
    "prod": lambda x: x.prod(1),
    "amax": lambda x: x.amax(1),
    "max_both": lambda x: tuple(x.max(1)),
    "argmin": lambda x: x.argmin(1),
    "cumsum": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(1),
    "cummax": lambda x: tuple(x.cummax(1)),
    "sort": lambda x: tuple(torch.sort(x, dim=1, stable=True)),
    "sort_descending": lambda x: tuple(torch.sort(x, dim=1, descending=True, stable=True)),
    "argsort": lambda x: torch.argsort(x, dim=1, stable=True),
    "topk": lambda x: x.topk(2).values,
    "mean": lambda x: x.mean(dtype=torch.float32),
    "any": lambda x: x.any(),
}


@pytest.mark.parametrize("name", INTEGER)
def test_integer(name):
    check_conversion(INTEGER[name], INTEGERS)


ORDER = {
    "sort": lambda x: tuple(x.sort(-1)),
    "sort_descending": lambda x: tuple(x.sort(1, descending=True)),
    "sort_stable": lambda x: tuple(torch.sort(x.round(), stable=True, dim=-1)),
    "sort_stable_descending": lambda x: tuple(
        torch.sort(x.round(), stable=True, dim=2, descending=True)
    ),
    "sort_values": lambda x: x.sort(dim=1).values * 2,
    "sort_bool": lambda x: (x > 0).sort(-1).values,
    "argsort": lambda x: x.argsort(1),
    "argsort_descending": lambda x: torch.argsort(x, -1, descending=True),
    "argsort_stable": lambda x: torch.argsort(x.round(), dim=1, stable=True),
    "msort": torch.msort,
    "topk": lambda x: tuple(torch.topk(x, 2, dim=-1)),
    "topk_channels": lambda x: tuple(torch.topk(x, 2, dim=1)),
    "topk_smallest": lambda x: tuple(torch.topk(x, 3, dim=-1, largest=False)),
    "topk_all": lambda x: x.topk(5).indices,
}


@pytest.mark.parametrize("name", ORDER)
def test_order(name):
    check_conversion(ORDER[name], X)


def test_median_of_an_even_number_of_elements_is_the_lower():
    check_conversion(lambda x: (x.median(), *x.median(-1)), random_input(3, 4))
