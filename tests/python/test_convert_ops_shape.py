"""Operators that move elements: views, slices, concatenation, padding, shuffles, indexing."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conversion import check_conversion, convert_module, random_input

SHAPES = {
    "view": lambda x: x.view(2, -1),
    "reshape": lambda x: x.reshape(2, 12, 10),
    "flatten": lambda x: x.flatten(1),
    "flatten_some": lambda x: x.flatten(1, 2),
    "unflatten": lambda x: x.unflatten(1, (3, 2)),
    "squeeze": lambda x: x[:1].squeeze(0),
    "squeeze_all": lambda x: x[:, :1].squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(2),
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "permute_negative": lambda x: x.permute(0, -1, 1, 2),
    "transpose": lambda x: x.transpose(1, 3),
    "transpose_matrix": lambda x: x.mT,
    "movedim": lambda x: x.movedim(1, -1),
    "expand": lambda x: x[:1, :1].expand(3, 6, 4, 5),
    "expand_rank": lambda x: x.expand(2, 2, 6, 4, 5),
    "repeat": lambda x: x.repeat(1, 2, 1, 3),
    "repeat_rank": lambda x: x[0].repeat(2, 1, 2, 1),
    "repeat_interleave": lambda x: x.repeat_interleave(3, dim=1),
    "slice": lambda x: x[:, 1:4],
    "slice_steps": lambda x: x[:, ::2, 1::2],
    "slice_negative": lambda x: x[..., -3:-1],
    "focus": lambda x: torch.cat([x[..., ::2, :4:2], x[..., 1::2, 1::2]], 1),
    "select": lambda x: x[:, 2] + x.select(1, -1),
    "narrow": lambda x: x.narrow(1, 2, 3),
    "split": lambda x: [y * 2 for y in x.split(2, 1)],
    "split_uneven": lambda x: [y * 2 for y in x.split([1, 3, 2], 1)],
    "split_last_smaller": lambda x: [y * 2 for y in x.split(4, 1)],
    "chunk": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    "chunk_unused": lambda x: x.chunk(3, 1)[1] + 1,
    "unbind": lambda x: sum(x.unbind(1)),
    "cat": lambda x: torch.cat([x, x * 2], 1),
    "cat_last": lambda x: torch.cat([x, -x, x], -1),
    "cat_types": lambda x: torch.cat([x, (x > 0).long()], 1),
    "stack": lambda x: torch.stack([x, x + 1], 1),
    "stack_last": lambda x: torch.stack([x[:, 0], x[:, 1]], -1),
    "pad": lambda x: F.pad(x, (1, 2, 0, 3)),
    "pad_value": lambda x: F.pad(x, (1, 2, 0, 3), value=1.5),
    "pad_channels": lambda x: F.pad(x, (0, 0, 0, 0, 1, 2)),
    "pad_negative": lambda x: F.pad(x, (-1, 2, 1, -2)),
    "pad_reflect": lambda x: F.pad(x, (1, 2, 2, 1), mode="reflect"),
    "pad_replicate": lambda x: F.pad(x, (1, 2, 0, 3), mode="replicate"),
    "pad_circular": lambda x: F.pad(x, (1, 2, 2, 1), mode="circular"),
    "roll": lambda x: x.roll(2, 1),
    "roll_two": lambda x: x.roll((1, -2), (2, 3)),
    "roll_flat": lambda x: x.roll(3),
    "flip": lambda x: x.flip([1, 3]),
    "channel_shuffle": lambda x: F.channel_shuffle(x, 3),
    "index_select": lambda x: x.index_select(1, torch.tensor([4, 0, 0])),
    "index": lambda x: x[:, torch.tensor([1, -1])],
    "index_matrix": lambda x: x[:, torch.tensor([[1, 2], [0, 3]])],
    "contiguous": lambda x: x.transpose(1, 2).contiguous().clone().detach() + 1,
    "type_as": lambda x: (x > 0).type_as(x),
    "double": lambda x: x.double().mul(2).float(),
    "stored_ones": lambda x: x * torch.arange(5) + torch.full((4, 1), 2.0),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shape(name):
    check_conversion(SHAPES[name], random_input(2, 6, 4, 5))


@pytest.mark.parametrize("channels", [4, 12])
def test_pixel_shuffle(channels):
    check_conversion(nn.PixelShuffle(2), random_input(1, channels, 3, 5))


@pytest.mark.parametrize("channels", [1, 3])
def test_pixel_unshuffle(channels):
    check_conversion(nn.PixelUnshuffle(2), random_input(1, channels, 6, 4))


def test_index_given_at_run_time():
    x, rows = random_input(3, 5, 2), torch.tensor([4, -1, 0])
    check_conversion(lambda x, rows: x[:, rows], x, rows)
    check_conversion(lambda x, rows: x.index_select(1, rows), x, rows.abs())


def test_writes_into_slices():
    def function(x):
        x = x.clone()
        x[:, 1:3] = 0.0
        x[:, :, 2] = x[:, :, 0] * 2
        x[..., ::2] += 1
        return x

    check_conversion(function, random_input(2, 4, 5))


def test_identities_cost_nothing():
    result = convert_module(lambda x: x.contiguous().view(x.shape).detach() + 1, random_input(2, 3))
    assert result.operators == {"ADD": 1}


def test_several_inputs_and_outputs_with_none():
    def function(a, b):
        return a + b, None, a - b, a

    check_conversion(function, random_input(2, 3), random_input(2, 3, seed=1))
