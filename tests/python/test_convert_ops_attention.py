"""Attention: masks, groups of heads, nn.MultiheadAttention, nn.Transformer."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conversion import check_conversion, random_input

attend = F.scaled_dot_product_attention
BATCHES = {"2d": (), "3d": (2,), "4d": (2, 3), "5d": (2, 1, 3)}


@pytest.mark.parametrize("name", BATCHES)
def test_batches_and_masks(name):
    batch = BATCHES[name]
    query = random_input(*batch, 5, 4)
    key, value = random_input(*batch, 7, 4, seed=1), random_input(*batch, 7, 6, seed=2)
    check_conversion(attend, query, key, value)
    check_conversion(lambda q, k, v: attend(q, k, v, is_causal=True), query, key, value)
    check_conversion(lambda q, k, v: attend(q, k, v, scale=0.3), query, key, value)

    def masked(q, k, v, mask):
        return attend(q, k, v, mask > 0)

    check_conversion(masked, query, key, value, random_input(5, 7, seed=3) + 1)
    row = random_input(*[1] * len(batch), 1, 7, seed=4) + 1
    check_conversion(masked, query, key, value, row)
    check_conversion(attend, query, key, value, random_input(*batch, 5, 7, seed=3))


def test_queries_that_see_nothing_give_zero():
    query, key, value = (random_input(2, 3, 5, 4, seed=seed) for seed in range(3))
    rows = torch.tensor([1.0, -1, 1, -1, 1])[:, None].expand(5, 5).contiguous()
    check_conversion(lambda q, k, v, m: attend(q, k, v, m > 0), query, key, value, rows)

    class Constant(nn.Module):
        def __init__(self, mask):
            super().__init__()
            self.register_buffer("mask", mask)

        def forward(self, q, k, v):
            return attend(q, k, v, self.mask)

    check_conversion(Constant(rows > 0), query, key, value)
    infinite = torch.zeros(5, 5).masked_fill(rows < 0, float("-inf"))
    check_conversion(Constant(infinite), query, key, value)


@pytest.mark.parametrize(("keys", "values"), [(2, 2), (1, 1), (2, 3)])
def test_groups_of_heads(keys, values):
    result = check_conversion(
        lambda q, k, v: attend(q, k, v, is_causal=True, enable_gqa=True),
        random_input(2, 6, 5, 4),
        random_input(2, keys, 5, 4, seed=1),
        random_input(2, values, 5, 4, seed=2),
    )
    assert "BROADCAST_TO" not in result.operators


class SharedKeys(nn.Module):
    """Attention whose heads share keys and values (Shazeer 2019), written in three ways."""

    def __init__(self, form, mask=None):
        super().__init__()
        self.query, self.pair, self.out = nn.Linear(12, 24), nn.Linear(12, 16), nn.Linear(24, 12)
        self.form, self.mask = form, mask

    def forward(self, x):
        batch, length, _ = x.shape
        query = self.query(x).view(batch, length, 3, 8).transpose(1, 2)
        key, value = self.pair(x).unsqueeze(1).chunk(2, -1)
        if self.form == "matmul":
            scores = query @ key.transpose(-2, -1) * 8**-0.5
            scores = scores if self.mask is None else scores + self.mask
            result = scores.softmax(-1) @ value
        else:
            grouped = self.form == "grouped"
            result = attend(query, key, value, self.mask, enable_gqa=grouped)
        return self.out(result.transpose(1, 2).reshape(batch, length, 24))


@pytest.mark.parametrize("form", ["matmul", "broadcast", "grouped"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shape", [(1, 5, 12), (2, 5, 12), (1, 1, 12)])
def test_heads_that_share_keys_need_no_transpose(form, masked, shape):
    mask = torch.linspace(-1, 1, 3 * shape[1] ** 2).view(1, 3, shape[1], shape[1])
    model = SharedKeys(form, mask if masked else None).eval()
    result = check_conversion(model, random_input(*shape))
    assert "TRANSPOSE" not in result.operators
    assert result.operators["BATCH_MATMUL"] == 2


class Attention(nn.Module):
    def __init__(self, call, **options):
        super().__init__()
        torch.manual_seed(0)
        self.attention = nn.MultiheadAttention(8, 2, **options)
        self.call = call

    def forward(self, *inputs):
        return self.call(self.attention, *inputs)


CALLS = {
    "self": lambda a, x, y, p: a(x, x, x, need_weights=False)[0],
    "cross": lambda a, x, y, p: a(x, y, y, need_weights=False)[0],
    "weights": lambda a, x, y, p: a(x, y, y),
    "weights_of_heads": lambda a, x, y, p: a(x, y, y, average_attn_weights=False),
    "padding": lambda a, x, y, p: a(x, y, y, key_padding_mask=p > 0),
    "mask": lambda a, x, y, p: a(
        x, y, y, attn_mask=torch.ones(5, 7, dtype=torch.bool).triu(3), need_weights=False
    )[0],
}


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("name", CALLS)
def test_multihead_attention(name, batch_first):
    x, y = random_input(2, 5, 8), random_input(2, 7, 8, seed=1)
    if not batch_first:
        x, y = x.transpose(0, 1).contiguous(), y.transpose(0, 1).contiguous()
    padding = torch.zeros(2, 7)
    padding[0, 5:] = 1
    check_conversion(Attention(CALLS[name], batch_first=batch_first), x, y, padding)


@pytest.mark.parametrize(
    "options", [{"add_bias_kv": True}, {"add_zero_attn": True}, {"kdim": 8, "bias": False}]
)
def test_multihead_options(options):
    x, y = random_input(5, 2, 8), random_input(7, 2, 8, seed=1)
    check_conversion(Attention(lambda a, x, y: a(x, y, y), **options), x, y)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_transformer_layers(norm_first, activation):
    torch.manual_seed(0)
    options = {"norm_first": norm_first, "activation": activation, "batch_first": True}
    encoder = nn.TransformerEncoderLayer(8, 2, 16, **options)
    check_conversion(encoder.eval(), random_input(2, 5, 8), tolerance=2e-4)
    decoder = nn.TransformerDecoderLayer(8, 2, 16, **options)
    x, y = random_input(2, 5, 8), random_input(2, 7, 8, seed=1)
    check_conversion(decoder.eval(), x, y, tolerance=2e-4)


def test_transformer():
    torch.manual_seed(0)
    model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True).eval()
    x, y = random_input(1, 5, 8), random_input(1, 7, 8, seed=1)
    check_conversion(model, x, y, tolerance=2e-4)
