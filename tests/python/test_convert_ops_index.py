"""Reading and writing elements by position, triangles, diagonals, windows."""

import pytest
import torch
import torch.nn.functional as F

from conversion import check_conversion, random_input

X = random_input(4, 5, 3)
ROWS = torch.tensor([3, 0, 3])
COLUMNS = torch.tensor([1, -1, 4])
MASK = torch.tensor([True, False, True, True])
VALUES = random_input(3, seed=2)
INDEX = torch.tensor([[[0], [2]], [[1], [1]], [[2], [0]], [[0], [0]]])


def changed(x, change):
    x = x.clone()
    change(x)
    return x


def assign(*key, value=1.5):
    def change(x):
        x[key] = value

    return lambda x: changed(x, change)


INDEXING = {
    "rows": lambda x: x[ROWS],
    "columns": lambda x: x[:, COLUMNS],
    "matrix": lambda x: x[:, torch.tensor([[1, 2], [0, -3]])],
    "pairs": lambda x: x[ROWS, COLUMNS],
    "pairs_last": lambda x: x[:, COLUMNS, torch.tensor([0, 1, 2])],
    "pairs_apart": lambda x: x[ROWS, :, torch.tensor([0, 1, -1])],
    "pairs_broadcast": lambda x: x[ROWS[:, None], COLUMNS],
    "triples": lambda x: x[ROWS, COLUMNS, torch.tensor([2, 0, 1])],
    "mixed": lambda x: x[1:, COLUMNS, 0],
    "none": lambda x: x[None, ROWS],
    "select_list": lambda x: x[[0, 2]],
    "constant_mask": lambda x: x[MASK] * 2,
    "constant_mask_columns": lambda x: x[:, torch.tensor([True, False, True, True, False])].sum(1),
    "repeat_interleave_open": lambda x: x.repeat_interleave(torch.tensor([1, 0, 2, 1]), dim=0),
    "index_select": lambda x: x.index_select(1, torch.tensor([4, 0, 0])),
    "index_select_last": lambda x: x.index_select(-1, torch.tensor([2, 0])),
    "take": lambda x: torch.take(x, torch.tensor([[0, 7], [59, 3]])),
    "gather": lambda x: x.gather(2, INDEX.expand(4, 2, 1)),
    "gather_first": lambda x: x.gather(0, torch.tensor([[[0, 1], [3, 2]]])),
    "take_along_dim": lambda x: torch.take_along_dim(x, x.argsort(1), 1),
    "repeat_interleave_constant": lambda x: x.repeat_interleave(
        torch.tensor([1, 0, 2, 1]), dim=0, output_size=4
    ),
    "masked_fill_constant": lambda x: x.masked_fill(MASK[:, None, None], 0.0),
    "masked_scatter": lambda x: x.masked_scatter(x > 0, torch.arange(60.0)),
    "index_fill": lambda x: x.index_fill(1, torch.tensor([0, 3]), 7.0),
    "index_copy": lambda x: x.index_copy(0, torch.tensor([3, 1]), x[:2] * 2),
    "index_add": lambda x: x.index_add(0, ROWS, x[:3], alpha=2),
    "index_reduce": lambda x: x.index_reduce(0, ROWS, x[:3], "amax"),
    "assign_row": assign(1),
    "assign_last": assign(..., -1),
    "assign_range": assign(slice(1, 3), slice(None, None, 2)),
    "assign_rows": assign(ROWS),
    "assign_pairs": assign(ROWS, COLUMNS),
    "assign_pair_values": assign(torch.tensor([3, 0, 2]), COLUMNS, value=VALUES),
    "assign_repeated": assign(ROWS, torch.tensor([1, 2, 1]), value=VALUES),
    "assign_columns": assign(slice(None), COLUMNS, value=VALUES),
    "assign_mask": assign(MASK),
    "add_at_slice": lambda x: changed(x, lambda y: y[:, 1:3].add_(2)),
    "accumulate": lambda x: torch.index_put(
        x, (ROWS, COLUMNS), VALUES[:, None].expand(3, 3), accumulate=True
    ),
    "accumulate_rows": lambda x: torch.index_put(x, (ROWS,), x[:3], accumulate=True),
    "scatter": lambda x: x.scatter(2, INDEX.expand(4, 2, 1), x[:, :2] * 2),
    "scatter_value": lambda x: x.scatter(1, torch.tensor([[[0, 1, 2]], [[4, 4, 4]]]), -1.0),
    "scatter_add": lambda x: x.scatter_add(0, torch.zeros(2, 5, 3, dtype=torch.int64), x[2:]),
    "scatter_in_place": lambda x: (x * 1).scatter_(2, INDEX, 1.0),
    "scatter_reduce_sum": lambda x: x.scatter_reduce(0, torch.ones_like(x).long(), x, "sum"),
    "scatter_reduce_amax": lambda x: x.scatter_reduce(0, torch.ones_like(x).long(), x, "amax"),
    "scatter_reduce_amin": lambda x: x.scatter_reduce(
        0, torch.ones_like(x).long(), x, "amin", include_self=False
    ),
    "scatter_reduce_prod": lambda x: x.scatter_reduce(0, torch.ones_like(x).long(), x, "prod"),
    "scatter_reduce_mean": lambda x: x.scatter_reduce(
        0, torch.ones_like(x).long(), x, "mean", include_self=False
    ),
    "scatter_reduce_overload": lambda x: x.scatter(2, INDEX, x, reduce="add"),
    "select_scatter": lambda x: x.select_scatter(x[:, 0] * 2, 1, -1),
    "slice_scatter": lambda x: x.slice_scatter(x[:, :2] * 2, 1, 1, 5, 2),
    "diagonal_scatter": lambda x: x[0].diagonal_scatter(torch.ones(3)),
    "put": lambda x: x.put(torch.tensor([3, 17]), torch.tensor([9.0, 8.0])),
}


@pytest.mark.parametrize("name", INDEXING)
def test_indexing(name):
    check_conversion(INDEXING[name], X)


GIVEN_INDEX = {
    "rows": lambda x, i: x[i],
    "columns": lambda x, i: x[:, i],
    "matrix": lambda x, i: x[i[:, None].expand(3, 2)],
    "pairs": lambda x, i: x[i, i],
    "pairs_apart": lambda x, i: x[i, :, i.clamp(0, 2)],
    "with_constant": lambda x, i: x[torch.tensor([[0], [1]]), i],
    "index_select": lambda x, i: x.index_select(1, i.abs()),
    "gather": lambda x, i: x.gather(0, i.abs()[:, None, None].expand(3, 5, 3)),
    "gather_last": lambda x, i: x.gather(-1, i.clamp(0, 2)[None, None].expand(4, 5, 3)),
    "gather_fewer": lambda x, i: x.gather(1, i.abs()[None, :, None].expand(2, 3, 1)),
    "take": lambda x, i: x.take(i),
    "assign": lambda x, i: changed(x, lambda y: y.__setitem__(i, 2.0)),
    "assign_values": lambda x, i: changed(x, lambda y: y.__setitem__((slice(None), i), VALUES)),
    "assign_pairs": lambda x, i: torch.index_put(x, (i, i), x[:3, 0]),
    "accumulate": lambda x, i: torch.index_put(x, (i, i), x[:3, 0], accumulate=True),
    "scatter": lambda x, i: x.scatter(0, i.abs()[:, None, None].expand(3, 5, 3), x[1:] * 2),
    "scatter_value": lambda x, i: x.scatter(0, i.abs()[:, None, None], 5.0),
    "scatter_add": lambda x, i: x.scatter_add(0, i.abs()[:, None, None].expand(3, 5, 3), x[1:]),
    "scatter_amax": lambda x, i: x.scatter_reduce(
        0, i.abs()[:, None, None].expand(3, 5, 3), x[1:], "amax"
    ),
    "index_add": lambda x, i: x.index_add(1, i.abs(), x[:, :3]),
    "index_copy": lambda x, i: x.index_copy(0, i.abs(), x[1:]),
    "index_fill": lambda x, i: x.index_fill(0, i.abs(), 3.0),
    "one_hot": lambda x, i: F.one_hot(i.abs(), 5) * 2,
    "one_hot_matrix": lambda x, i: F.one_hot(i.abs()[:, None] + torch.tensor([[0, 1]]), 6).float(),
    "bucketize": lambda x, i: torch.bucketize(x, torch.tensor([-1.0, 0.0, 0.5])),
    "bucketize_right": lambda x, i: torch.bucketize(i, torch.tensor([-1, 0, 3]), right=True),
    "searchsorted": lambda x, i: torch.searchsorted(x[0].sort(0).values.mT.contiguous(), x[1].mT),
    "embedding": lambda x, i: F.embedding(i.abs(), x[:, 0]),
    "histogram_by_hand": lambda x, i: (i[:, None] == torch.arange(-1, 4)).sum(0),
    "dynamic_select": lambda x, i: x.index_select(0, i[2].reshape(1)).squeeze(0),
}


@pytest.mark.parametrize("name", GIVEN_INDEX)
def test_index_given_at_run_time(name):
    check_conversion(GIVEN_INDEX[name], X, torch.tensor([3, -1, 0]))


MATRICES = {
    "tril": torch.tril,
    "tril_shifted": lambda x: x.tril(-1),
    "triu": lambda x: x.triu(1),
    "triu_infinite": lambda x: x.softmax(-1) + torch.full((4, 5), float("-inf")).triu(6).exp(),
    "tril_integers": lambda x: x.round().int().tril(),
    "tril_bool": lambda x: (x > 0).tril(),
    "diag_of_matrix": lambda x: x[0].diag(),
    "diag_of_vector": lambda x: x[0, 0].diag(),
    "diag_shifted": lambda x: x[0, 0].diag(-1),
    "diagonal": lambda x: x.diagonal(dim1=1, dim2=2),
    "diagonal_shifted": lambda x: x.diagonal(1, 0, 2),
    "diagonal_below": lambda x: torch.diagonal(x, -2, -2, -1),
    "diag_embed": lambda x: torch.diag_embed(x),
    "diag_embed_shifted": lambda x: torch.diag_embed(x[0], 1, 0, 2),
    "diag_embed_below": lambda x: torch.diag_embed(x[0], -2),
    "diagflat": lambda x: torch.diagflat(x[0, :2, :2]),
    "unfold": lambda x: x.unfold(2, 3, 1),
    "unfold_whole": lambda x: x[..., :4].unfold(-1, 2, 2),
    "unfold_first": lambda x: x.unfold(0, 2, 1),
    "unfold_twice": lambda x: x[:, :, :4].unfold(1, 2, 2).unfold(2, 2, 2),
    "as_strided": lambda x: x.as_strided((3, 2, 2), (5, 2, 1), 3),
    "write_diagonal": lambda x: changed(x[0], lambda y: y.diagonal().mul_(3)),
    "tril_indices": lambda x: x[0][tuple(torch.tril_indices(4, 4))],
}


@pytest.mark.parametrize("name", MATRICES)
def test_matrix(name):
    check_conversion(MATRICES[name], random_input(2, 4, 5))
