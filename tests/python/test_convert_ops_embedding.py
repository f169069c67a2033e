"""Embeddings and bags of them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import tinyml
from conversion import check_conversion, convert_module, random_input

IDS = torch.tensor([[0, 3, 2], [4, 1, 1]])
FLAT = torch.tensor([0, 3, 2, 5, 1, 1])


def test_embedding():
    check_conversion(nn.Embedding(5, 4), IDS)
    check_conversion(nn.Embedding(5, 4, padding_idx=1, scale_grad_by_freq=True), IDS.int())
    with pytest.raises(tinyml.Error, match="changes 'weight'"):
        convert_module(nn.Embedding(5, 4, max_norm=1.0), IDS)


class Bags(nn.Module):
    def __init__(self, offsets, **options):
        super().__init__()
        self.bags = nn.EmbeddingBag(6, 4, **options)
        self.register_buffer("offsets", torch.tensor(offsets))

    def forward(self, x):
        return self.bags(x, self.offsets)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags(mode):
    check_conversion(nn.EmbeddingBag(5, 4, mode=mode), IDS)
    check_conversion(nn.EmbeddingBag(5, 4, mode=mode, padding_idx=1), IDS)
    check_conversion(Bags([0, 2, 3], mode=mode), FLAT)
    check_conversion(Bags([0, 2, 2, 4], mode=mode), FLAT)  # one of them is empty
    check_conversion(Bags([0, 2, 6], mode=mode, include_last_offset=True), FLAT)


def test_weighted_bags():
    table = random_input(5, 4)
    check_conversion(
        lambda x, table, w: F.embedding_bag(x, table, mode="sum", per_sample_weights=w),
        IDS,
        table,
        random_input(2, 3),
    )


def test_offsets_of_run_time_are_refused():
    with pytest.raises(tinyml.Error, match="offsets are known only at run time"):
        convert_module(
            lambda x, offsets, table: F.embedding_bag(x, table, offsets),
            FLAT,
            torch.tensor([0, 2]),
            random_input(6, 4),
        )
