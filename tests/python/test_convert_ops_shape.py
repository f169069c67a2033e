"""Operators that move whole ranges: views, slices, concatenation, shuffles, creation."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conversion import check_conversion, convert_module, random_input


def reshape_in_place(x):
    """Tensors whose shapes change in place, with writes through views taken before and after."""
    y = x * 2
    first = y[0]
    y.unsqueeze_(1).transpose_(0, 2)
    first.relu_()
    y[0].fill_(1)
    z = y[:1, :1].squeeze_(0)
    return y + 1, first, z.squeeze_().swapdims_(0, 1), y.sum((1, 3, 4)).t_()


SHAPES = {
    "view": lambda x: x.view(2, -1),
    "view_type_same": lambda x: x.view(torch.float32) + 1,
    "reshape": lambda x: x.reshape(2, 12, 10),
    "reshape_as": lambda x: x.reshape_as(x.permute(3, 2, 1, 0)),
    "ravel": lambda x: x.ravel(),
    "flatten": lambda x: x.flatten(1),
    "flatten_some": lambda x: x.flatten(1, 2),
    "unflatten": lambda x: x.unflatten(1, (3, 2)),
    "unflatten_inferred": lambda x: x.unflatten(-1, (-1, 5)),
    "in_place_views": reshape_in_place,
    "fill_diagonal": lambda x: (x[0, 0] * 2).fill_diagonal_(7),
    "fill_diagonal_wide": lambda x: (x[0, 0].t() * 2).fill_diagonal_(7, wrap=True),
    "fill_diagonal_wrap": lambda x: (x.reshape(24, 10)[:, :3] * 2).fill_diagonal_(-1, wrap=True),
    "fill_diagonal_cube": lambda x: x[:, :2, :2, :2].clone().fill_diagonal_(0.5),
    "squeeze": lambda x: x[:1].squeeze(0),
    "squeeze_not": lambda x: x.squeeze(0) + 1,
    "squeeze_dims": lambda x: x[:1, :1].squeeze((0, 1)),
    "squeeze_all": lambda x: x[:, :1].squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(2),
    "unsqueeze_last": lambda x: x.unsqueeze(-1),
    "none_index": lambda x: x[:, None, ..., None],
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "permute_negative": lambda x: x.permute(0, -1, 1, 2),
    "transpose": lambda x: x.transpose(1, 3),
    "swapaxes": lambda x: x.swapaxes(-1, 0),
    "transpose_matrix": lambda x: x.mT,
    "transpose_two": lambda x: x[0, 0].t(),
    "movedim": lambda x: x.movedim(1, -1),
    "movedim_two": lambda x: x.movedim((0, 1), (-1, -2)),
    "expand": lambda x: x[:1, :1].expand(3, 6, 4, 5),
    "expand_rank": lambda x: x.expand(2, 2, 6, 4, 5),
    "expand_negative": lambda x: x[:, :, :1].expand(-1, -1, 7, -1),
    "expand_as": lambda x: x[:, :1].expand_as(x) + x,
    "broadcast_to": lambda x: torch.broadcast_to(x[:, :1, :1], (2, 3, 2, 5)),
    "broadcast_tensors": lambda x: torch.broadcast_tensors(x[:1], x[:, :1]),
    "repeat": lambda x: x.repeat(1, 2, 1, 3),
    "repeat_rank": lambda x: x[0].repeat(2, 1, 2, 1),
    "tile": lambda x: x.tile((2, 3)),
    "repeat_interleave": lambda x: x.repeat_interleave(3, dim=1),
    "repeat_interleave_flat": lambda x: x.repeat_interleave(2),
    "slice": lambda x: x[:, 1:4],
    "slice_steps": lambda x: x[:, ::2, 1::2],
    "slice_negative": lambda x: x[..., -3:-1],
    "slice_beyond": lambda x: x[:, 2:100],
    "focus": lambda x: torch.cat([x[..., ::2, :4:2], x[..., 1::2, 1::2]], 1),
    "select": lambda x: x[:, 2] + x.select(1, -1),
    "select_many": lambda x: x[1, 2, 3, -1],
    "narrow": lambda x: x.narrow(1, 2, 3),
    "split": lambda x: [y * 2 for y in x.split(2, 1)],
    "split_uneven": lambda x: [y * 2 for y in x.split([1, 3, 2], 1)],
    "split_last_smaller": lambda x: [y * 2 for y in x.split(4, 1)],
    "split_negative": lambda x: x.split([2, 3], -1)[1] * 2,
    "tensor_split": lambda x: [y * 2 for y in x.tensor_split(4, 1)],
    "tensor_split_at": lambda x: [y * 2 for y in x.tensor_split((1, 4), dim=1)],
    "hsplit": lambda x: [y + 1 for y in x.hsplit(3)],
    "vsplit": lambda x: [y + 1 for y in x.vsplit(2)],
    "dsplit": lambda x: [y + 1 for y in x.dsplit([1, 3])],
    "chunk": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    "chunk_uneven": lambda x: [y + 1 for y in x.chunk(4, 1)],
    "chunk_unused": lambda x: x.chunk(3, 1)[1] + 1,
    "unsafe_chunk": lambda x: x.unsafe_chunk(3, 1)[1] + x.unsafe_split(2, 1)[0],
    "unbind": lambda x: sum(x.unbind(1)),
    "unbind_last": lambda x: x.unbind(-1)[2] * 2,
    "cat": lambda x: torch.cat([x, x * 2], 1),
    "cat_last": lambda x: torch.cat([x, -x, x], -1),
    "cat_types": lambda x: torch.cat([x, (x > 0).long()], 1),
    "cat_empty": lambda x: torch.cat([x, x[:, :0]], 1),
    "cat_many": lambda x: torch.cat([x[:, i % 6 : i % 6 + 1] * i for i in range(9)], 1),
    "stack": lambda x: torch.stack([x, x + 1], 1),
    "stack_last": lambda x: torch.stack([x[:, 0], x[:, 1]], -1),
    "hstack": lambda x: torch.hstack([x, x]),
    "vstack": lambda x: torch.vstack([x[0, 0, 0], x[0, 0, 1]]),
    "dstack": lambda x: torch.dstack([x[0, 0], x[0, 1]]),
    "column_stack": lambda x: torch.column_stack([x[0, 0, 0], x[0, 0, 1]]),
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
    "fliplr": lambda x: x.fliplr() + x.flipud(),
    "rot90": lambda x: x.rot90(1, (2, 3)),
    "rot270": lambda x: torch.rot90(x, 3, [1, 2]),
    "channel_shuffle": lambda x: F.channel_shuffle(x, 3),
    "meshgrid": lambda x: torch.meshgrid(x[0, 0, 0], x[0, 0, :, 0], indexing="ij"),
    "meshgrid_xy": lambda x: torch.meshgrid(x[0, 0, 0], x[0, 0, :, 0], indexing="xy"),
    "atleast": lambda x: (torch.atleast_3d(x[0, 0]), torch.atleast_1d(x.sum())),
    "contiguous": lambda x: x.transpose(1, 2).contiguous().clone().detach() + 1,
    "view_as_complex_parts": lambda x: x.unflatten(3, (5, 1))[..., 0] * 2,
    "block": lambda x: x.view(2, 2, 3, 2, 2, 5).transpose(2, 4).reshape(2, 4, 6, 5),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shape(name):
    check_conversion(SHAPES[name], random_input(2, 6, 4, 5))


CREATION = {
    "arange": lambda x: x + torch.arange(5),
    "arange_steps": lambda x: x * torch.arange(1, 6, 1, dtype=torch.float32),
    "linspace": lambda x: x + torch.linspace(0, 1, 5),
    "logspace": lambda x: x + torch.logspace(0, 1, 5),
    "full": lambda x: x * torch.full((4, 1), 2.0),
    "eye": lambda x: x @ torch.eye(5) + torch.eye(4, 5),
    "zeros": lambda x: x + torch.zeros(4, 5),
    "scalar_tensor": lambda x: x + torch.tensor(2.5) * torch.scalar_tensor(2),
    "tensor": lambda x: x * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]),
    "new_zeros": lambda x: torch.cat([x, x.new_zeros(2, 1, 4, 5)], 1),
    "new_ones": lambda x: x + x.new_ones(5),
    "new_full": lambda x: x * x.new_full((4, 5), 0.5),
    "new_tensor": lambda x: x * x.new_tensor([2.0]),
    "zeros_like": lambda x: x + torch.zeros_like(x),
    "ones_like": lambda x: torch.ones_like(x, dtype=torch.int32) + x,
    "full_like": lambda x: torch.full_like(x, 0.25) * x,
    "empty_filled": lambda x: x + torch.empty_like(x).fill_(2.0) + x.new_empty(5).zero_(),
    "only_constants": lambda x: (x, torch.ones(2, 3), torch.arange(4)),
    "tri_indices": lambda x: x + torch.tril_indices(5, 5).sum(),
    "windows": lambda x: x * torch.hann_window(5) + torch.hamming_window(5),
    "positions": lambda x: (
        x + torch.stack(torch.meshgrid(torch.arange(4), torch.arange(5), indexing="ij")).sum(0)
    ),
    "sizes": lambda x: x * x.shape[1] + x.size(-1) / x.numel(),
    "fill": lambda x: torch.fill(x, 3.0) + x,
    "zero_in_place": lambda x: (x * 1).zero_() + x,
    "copy_in_place": lambda x: torch.zeros(2, 6, 4, 5).copy_(x[:1]) * 2,
}


@pytest.mark.parametrize("name", CREATION)
def test_creation(name):
    check_conversion(CREATION[name], random_input(2, 6, 4, 5))


RANKS = [(6,), (4, 6), (2, 4, 6), (2, 2, 2, 4, 6), (2, 1, 2, 2, 4, 6)]
RANKED = {
    "permute": lambda x: x.permute(*reversed(range(x.dim()))),
    "slice": lambda x: x[..., 1:5] + x[..., -1:],
    "steps": lambda x: x[..., ::2],
    "pad": lambda x: F.pad(x, (1, 2)),
    "cat": lambda x: torch.cat([x, x * 2], -1),
    "flip": lambda x: x.flip(0),
    "roll": lambda x: x.roll(1, -1),
    "repeat": lambda x: x.repeat(*[2] * x.dim()),
    "expand": lambda x: x.unsqueeze(0).expand(3, *x.shape)[1],
    "split": lambda x: [y * 2 for y in x.split(3, -1)],
    "rows": lambda x: x[..., torch.tensor([0, 3, -1])],
    "sum": lambda x: x.sum(0) + x.mean(),
}


@pytest.mark.parametrize("shape", RANKS, ids=str)
@pytest.mark.parametrize("name", RANKED)
def test_ranks(name, shape):
    check_conversion(RANKED[name], random_input(*shape))


@pytest.mark.parametrize("channels", [4, 12])
def test_pixel_shuffle(channels):
    check_conversion(nn.PixelShuffle(2), random_input(1, channels, 3, 5))


@pytest.mark.parametrize("channels", [1, 3])
def test_pixel_unshuffle(channels):
    check_conversion(nn.PixelUnshuffle(2), random_input(1, channels, 6, 4))


def test_writes_into_slices():
    def function(x):
        x = x.clone()
        x[:, 1:3] = 0.0
        x[:, :, 2] = x[:, :, 0] * 2
        x[..., ::2] += 1
        x[:, 0].relu_()
        return x

    check_conversion(function, random_input(2, 4, 5))


def test_identities_cost_nothing():
    result = convert_module(lambda x: x.contiguous().view(x.shape).detach() + 1, random_input(2, 3))
    assert result.operators == {"ADD": 1}
