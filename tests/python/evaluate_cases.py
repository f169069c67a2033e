"""Expressions over named inputs, by family; each becomes operators of one exported graph."""

from dataclasses import dataclass, field

import torch


@dataclass
class Family:
    inputs: dict[str, object]
    """Name -> shape of a normal tensor, or the tensor itself."""
    expressions: list[str]
    tolerance: float = 2e-5
    float64: bool = True
    positive: set[str] = field(default_factory=set)
    """Inputs to make positive."""

    def make_inputs(self) -> list[torch.Tensor]:
        tensors = []
        for name, value in self.inputs.items():
            tensor = value if isinstance(value, torch.Tensor) else torch.randn(*value)
            tensors.append(tensor.abs() + 0.1 if name in self.positive else tensor)
        return tensors


def fused(x, on, low, high, most, least=-128, per_row=False, symmetric=False):
    """The fused operator with its observer off; it writes its scale and zero point into copies."""
    scale, zero_point = torch.ones_like(low), torch.zeros_like(low, dtype=torch.int32)
    return torch.fused_moving_avg_obs_fake_quant(
        x, torch.zeros_like(on), on, low, high, scale, zero_point, 0.01, least, most,
        0 if per_row else -1, per_row, symmetric,
    )


INTEGERS = torch.tensor([[-7, 7, -8, 0], [3, 2, -1, 5]])
DIVISORS = torch.tensor([2, -2, 3, -3])
FLAGS = torch.tensor([[True, False, True, False], [False, True, True, False]])
POSITIONS = 3 * torch.rand(2, 3, 6, 2, generator=torch.Generator().manual_seed(1)) - 1.5

CASES = {
    "arithmetic": Family(
        {"x": (2, 3, 4), "y": (3, 1), "z": (4,), "i": INTEGERS, "d": DIVISORS, "b": FLAGS},
        [
            "x + y", "x - y", "x * z", "x / y", "x + 2", "2 - x", "x * 1.5", "3 / (y + 10)",
            "torch.add(x, y, alpha=0.5)", "torch.sub(x, z, alpha=2)", "torch.rsub(x, y, alpha=2)",
            "torch.div(x, y, rounding_mode='floor')", "torch.div(x, y, rounding_mode='trunc')",
            "x // y", "x % y", "torch.fmod(x, y)", "torch.remainder(x, 0.7)", "x ** 2", "x ** 3",
            "x.abs() ** y", "2.0 ** x", "torch.maximum(x, y)", "torch.minimum(x, z)",
            "torch.max(x, y)", "torch.min(x, y)", "torch.atan2(x, y)", "torch.hypot(x, y)",
            "torch.addcmul(x, y, z, value=0.3)", "torch.addcdiv(x, z, y.abs() + 1, value=0.3)",
            "torch.lerp(x, y, 0.3)", "torch.lerp(x, y, 0.8)", "torch.lerp(x, y, z)",
            "i + d", "i * 2", "i / d", "i // d", "i % d", "torch.fmod(i, d)", "i ** 3",
            "torch.div(i, d, rounding_mode='trunc')", "i + 1.5", "i + b", "b + b", "b * i",
            "i.int() + d", "i.int() * torch.tensor(3)", "i.to(torch.uint8) + i.to(torch.int8)",
            "x.half() + 1.5", "x.bfloat16() * x.half()", "i + torch.tensor(2.5)",
        ],
        tolerance=1e-5,
    ),
    "comparison": Family(
        {"x": (2, 4), "y": (4,), "i": INTEGERS, "d": DIVISORS, "b": FLAGS},
        [
            "x == x", "x != y", "x < y", "x <= y", "x > 0", "x >= 0.5", "i > d", "i == 2",
            "i < 1.5",
            "b & ~b", "b | (x > 0)", "b ^ b", "i & d", "i | 5", "i ^ d", "~i",
            "i << 2", "i >> 1", "i >> d.abs()",
            "torch.logical_and(x, b)", "torch.logical_or(i, b)", "torch.logical_not(i)",
            "torch.logical_xor(b, i)", "torch.isnan(x / 0)", "torch.isinf(x / 0)",
            "torch.isfinite(x)", "torch.where(b, x, y)", "torch.where(b, x, 0.5)",
            "torch.where(b, i, x)", "torch.where(b, 1.0, 2.0)", "x.masked_fill(b, 3.0)",
            "i.masked_fill(b, 3)", "x.masked_fill(b, torch.tensor(2.0))",
        ],
    ),
    "unary": Family(
        {"x": (3, 5), "p": (3, 5), "i": INTEGERS},
        [
            "-x", "x.abs()", "x.square()", "x.sign()", "p.sqrt()", "p.rsqrt()", "p.reciprocal()",
            "x.exp()", "x.exp2()", "x.expm1()", "p.log()", "p.log2()", "p.log10()", "p.log1p()",
            "x.sin()", "x.cos()", "x.tan()", "x.tanh().asin()", "x.tanh().acos()", "x.atan()",
            "x.deg2rad()", "x.rad2deg()", "x.sinc()",
            "x.sinh()", "x.asinh()", "(p + 1).acosh()", "x.tanh().atanh()",
            "x.cosh()", "x.erf()", "x.erfc()", "(3 * x).floor()", "(3 * x).ceil()",
            "(3 * x).trunc()", "(3 * x).round()", "(3 * x).frac()", "torch.round(x, decimals=1)",
            "x.clamp(-0.5, 0.5)", "x.clamp(min=0.1)", "x.clamp(max=0)", "x.clamp(p * 0.1, p)",
            "i.clamp(-2, 2)", "i.clamp(min=0.5)", "i.clamp(max=3)", "-i", "i.abs()", "i.sign()",
            "i.exp()", "i.abs().sqrt()",
            "x.half().exp()",
            "torch.logit(p / 5)", "torch.logit(x, eps=0.2)", "torch.nan_to_num(p.log(), 1.0)",
            "torch.nan_to_num(x / 0, 0.0, 7.0, -7.0)", "torch.logaddexp(x, p)",
        ],
        positive={"p"},
    ),
    "activation": Family(
        {"x": (2, 6, 4), "w": (6,), "i": INTEGERS},
        [
            "F.relu(x)", "F.relu6(3 * x)", "torch.sigmoid(x)", "torch.tanh(x)", "F.hardtanh(x)",
            "F.hardtanh(x, -0.2, 0.3)", "F.leaky_relu(x)", "F.leaky_relu(x, 0.2)", "F.elu(x)",
            "F.elu(x, 0.5)", "F.celu(x, 0.7)", "F.selu(x)", "F.softplus(x)", "F.softplus(x, 2, 1)",
            "F.gelu(x)", "F.gelu(x, approximate='tanh')", "F.threshold(x, 0.1, -5)",
            "F.softshrink(x, 0.3)", "F.hardshrink(x, 0.3)", "F.prelu(x, w)", "F.prelu(x, w[:1])",
            "F.glu(x)", "F.glu(x, 1)", "F.silu(x)", "F.mish(x)", "F.hardsigmoid(4 * x)",
            "F.hardswish(4 * x)", "F.softsign(x)", "F.tanhshrink(x)", "F.logsigmoid(x)",
            "F.dropout(x, 0.5, training=False)", "torch.sigmoid(i)", "F.relu(i)", "F.rrelu(x)",
        ],
    ),
    "convolution": Family(
        {
            "x": (2, 4, 9, 8), "w": (6, 4, 3, 3), "b": (6,), "g": (6, 2, 3, 2), "dw": (8, 1, 3, 3),
            "b8": (8,), "p": (5, 4, 1, 1), "l": (2, 4, 11), "wl": (6, 2, 3), "v": (1, 2, 5, 6, 7),
            "wv": (4, 2, 2, 3, 3), "t": (4, 3, 3, 3), "tg": (4, 2, 3, 2), "tl": (4, 3, 4),
            "tv": (2, 3, 2, 3, 2),
        },
        [
            "F.conv2d(x, w)", "F.conv2d(x, w, b, padding=1)", "F.conv2d(x, w, b, stride=2)",
            "F.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), dilation=(2, 1))",
            "F.conv2d(x, w, padding='same')", "F.conv2d(x, w, padding='valid')",
            "F.conv2d(x, g, groups=2, padding='same', dilation=2)", "F.conv2d(x, g, b, groups=2)",
            "F.conv2d(x, g, groups=2, stride=3, padding=(1, 0))", "F.conv2d(x, p)",
            "F.conv2d(x, p, stride=2)", "F.conv2d(x, p, padding=1)", "F.conv2d(x[0], w, b)",
            "F.conv2d(x, dw, b8, groups=4, padding=1)", "F.conv2d(x, dw, groups=4, stride=2)",
            "F.conv2d(x, dw, b8, groups=4, dilation=3, padding=3)",
            "F.conv1d(l, wl, b, groups=2, stride=2, padding=3)", "F.conv1d(l[1], wl, groups=2)",
            "F.conv1d(l, wl, groups=2, padding='same', dilation=3)", "F.conv3d(v, wv, padding=1)",
            "F.conv3d(v, wv, stride=(1, 2, 3), dilation=(2, 1, 2))",
            "F.conv_transpose2d(x, t)", "F.conv_transpose2d(x, t, b[:3], stride=2, padding=1)",
            "F.conv_transpose2d(x, t, stride=2, padding=1, output_padding=1)",
            "F.conv_transpose2d(x, t, stride=(3, 2), dilation=2, output_padding=(1, 0))",
            "F.conv_transpose2d(x, tg, groups=2, stride=2)", "F.conv_transpose2d(x[0], t)",
            "F.conv_transpose1d(l, tl, stride=3, padding=2)",
            "F.conv_transpose3d(v, tv, stride=2, padding=(0, 1, 0))",
            "F.conv2d(x, w[:, :, :1, :1])",
        ],
    ),
    "matrix": Family(
        {
            "x": (3, 4), "w": (5, 4), "b": (5,), "s": (2, 1, 3, 4), "t": (6, 4, 2), "v": (4,),
            "u": (3,),
        },
        [
            "F.linear(x, w, b)", "F.linear(s, w)", "F.linear(v, w, b)", "x @ w.T", "s @ t",
            "x @ v", "v @ w.T", "v @ v", "t.transpose(1, 2) @ v", "torch.mm(x, w.t())",
            "torch.bmm(t, t.transpose(1, 2))", "torch.mv(x, v)", "torch.dot(v, v)",
            "torch.addmm(b, x, w.t())", "torch.addmm(b, x, w.t(), beta=0.5, alpha=2)",
            "torch.addmm(b, x, w.t(), beta=0)", "torch.addmv(u, x, v)", "torch.outer(u, v)",
            "torch.baddbmm(v[:, None], t, t.transpose(1, 2), alpha=0.5)",
        ],
    ),
    "grid_sample": Family(
        {
            "x": (2, 3, 5, 4), "g": POSITIONS,
            "v": (1, 2, 3, 4, 3), "h": (1, 2, 3, 2, 3), "t": (2, 2, 3), "tv": (1, 3, 4),
        },
        [
            *(
                f"F.grid_sample(x, g, {mode!r}, {padding!r}, align_corners={align})"
                for mode in ("bilinear", "nearest", "bicubic")
                for padding in ("zeros", "border", "reflection")
                for align in (False, True)
            ),
            "F.grid_sample(v, h, align_corners=False)",
            "F.grid_sample(v, h, mode='nearest', padding_mode='reflection', align_corners=True)",
            "F.affine_grid(t, (2, 3, 4, 5), align_corners=True)",
            "F.affine_grid(t, (2, 3, 4, 1), align_corners=False)",
            "F.affine_grid(tv, (1, 2, 3, 4, 5), align_corners=False)",
        ],
    ),
    "embedding_bag": Family(
        {
            "w": (7, 3), "i": torch.tensor([1, 6, 0, 3, 3, 2]), "s": (6,),
            "o": torch.tensor([0, 2, 2, 5]), "m": torch.tensor([[0, 4, 6], [5, 5, 1]]),
            "l": torch.tensor([0, 2, 6]),
        },
        [
            "F.embedding_bag(m, w)", "F.embedding_bag(i, w, o, mode='sum')",
            "F.embedding_bag(i, w, o, mode='mean')", "F.embedding_bag(i, w, o, mode='max')",
            "F.embedding_bag(i, w, o, mode='sum', per_sample_weights=s)",
            "F.embedding_bag(i, w, l, mode='sum', include_last_offset=True)",
            "F.embedding_bag(m, w, mode='mean', padding_idx=-2)",
        ],
    ),
    "normalization": Family(
        {"x": (3, 6, 4, 5), "w": (6,), "b": (6,), "m": (6,), "v": (6,), "lw": (4, 5), "f": (7, 6)},
        [
            "F.batch_norm(x, m, v, w, b)", "F.batch_norm(x, m, v, eps=1e-2)",
            "F.batch_norm(f, m, v, w, b)", "F.layer_norm(x, (4, 5))",
            "F.layer_norm(x, (4, 5), lw, lw, 1e-3)", "F.layer_norm(x, (5,))",
            "F.group_norm(x, 3, w, b)", "F.group_norm(x, 1)", "F.group_norm(f, 2, w)",
            "F.instance_norm(x)", "F.instance_norm(x, weight=w, bias=b, eps=1e-3)",
            "F.instance_norm(x, m, v, w, b, use_input_stats=False)",
            "F.normalize(x)", "F.normalize(x, p=1, dim=-1)",
        ],
        positive={"v"},
    ),
    "rms_norm": Family(
        {"x": (3, 4, 5), "w": (5,), "lw": (4, 5)},
        ["F.rms_norm(x, (5,), w, 1e-5)", "F.rms_norm(x, (4, 5), lw, 1e-3)"],
    ),
    "pooling": Family(
        {"x": (2, 3, 9, 8), "l": (2, 3, 11), "v": (1, 2, 5, 6, 7)},
        [
            "F.max_pool2d(x, 2)", "F.max_pool2d(x, 3, 2, 1)",
            "F.max_pool2d(x, (3, 2), 2, (1, 0), ceil_mode=True)",
            "F.max_pool2d(x, 3, 2, 1, dilation=2)", "F.max_pool2d(x[0], 2, ceil_mode=True)",
            "F.max_pool2d(x, 3, 2, 1, return_indices=True)", "F.max_pool1d(l, 3, 2, 1)",
            "F.max_pool3d(v, 2, 2, 1, ceil_mode=True)", "F.max_pool3d(v, (1, 2, 3))",
            "F.avg_pool2d(x, 2)", "F.avg_pool2d(x, 3, 2, 1)",
            "F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)",
            "F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)",
            "F.avg_pool2d(x, (4, 3), (3, 2), (2, 1), count_include_pad=False)",
            "F.avg_pool2d(x, 2, divisor_override=3)", "F.avg_pool2d(x[0], 4, 3, ceil_mode=True)",
            "F.avg_pool1d(l, 4, 3, 2)", "F.avg_pool1d(l, 4, 3, 2, ceil_mode=True)",
            "F.avg_pool3d(v, 3, 2, 1, ceil_mode=True)", "F.adaptive_avg_pool2d(x, 1)",
            "F.adaptive_avg_pool2d(x, (4, 3))", "F.adaptive_avg_pool2d(x, (None, 5))",
            "F.adaptive_avg_pool1d(l, 4)", "F.adaptive_avg_pool3d(v, (2, 3, 4))",
            "F.adaptive_max_pool2d(x, (4, 3), return_indices=True)", "F.adaptive_max_pool1d(l, 3)",
            "F.lp_pool2d(x.abs(), 2, 2)",
        ],
    ),
    "reduction": Family(
        {"x": (2, 3, 4), "i": INTEGERS, "b": FLAGS},
        [
            "x.sum()", "x.sum(1)", "x.sum((0, -1), keepdim=True)", "x.mean()", "x.mean(-1)",
            "x.mean((0, 2), keepdim=True)", "i.sum()", "b.sum(0)", "i.sum(dtype=torch.float32)",
            "x.prod()", "x.prod(1, keepdim=True)", "i.prod(0)", "x.amax()", "x.amax((0, 1))",
            "x.amin(-1, keepdim=True)", "x.max()", "x.min()", "tuple(x.max(1))",
            "tuple(x.min(-1, keepdim=True))",
            "tuple(torch.aminmax(x, dim=1))", "x.argmax()", "x.argmax(1)",
            "x.argmin(-1, keepdim=True)",
            "i.argmax(1)", "x.var()", "x.var(1)", "x.var((0, 1), unbiased=False)",
            "x.std(0, correction=2, keepdim=True)", "x.std()", "torch.var_mean(x, 1)",
            "torch.std_mean(x, (0, 2), correction=0)", "b.all()", "b.any(0)",
            "b.all(1, keepdim=True)",
            "torch.count_nonzero(b)", "torch.count_nonzero(i, 1)", "x.logsumexp(1)",
            "x.logsumexp((0, 2), keepdim=True)", "x.norm()", "x.norm(1, 1)", "x.norm(3, (0, 1))",
            "x.norm(float('inf'), 2, keepdim=True)", "torch.linalg.vector_norm(x, 0)",
            "torch.linalg.vector_norm(x, -float('inf'), 1)", "x.softmax(1)", "x.softmax(-1)",
            "x.log_softmax(0)", "F.softmin(x, 2)", "x.cumsum(1)", "i.cumsum(0)", "x.cumprod(-1)",
            "x.half().sum()", "i.float().mean()", "b.cumsum(1)", "i.max()", "tuple(i.min(0))",
        ],
    ),
    "view": Family(
        {"x": (2, 6, 4), "y": (1, 3, 1, 5), "m": (5, 7)},
        [
            "x.view(4, -1)", "x.reshape(2, 2, 3, 4)", "x.flatten()", "x.flatten(1)",
            "x.flatten(0, 1)", "x.ravel()",
            "x.unflatten(1, (2, 3))", "x.unflatten(-2, (3, -1))", "x.permute(2, 0, 1)",
            "x.transpose(1, -1)", "m.t()", "m.T", "x.movedim(0, -1)", "x.movedim((0, 1), (2, 0))",
            "y.squeeze()", "y.squeeze(0)", "y.squeeze(1)", "y.squeeze((0, 2))", "x.unsqueeze(0)",
            "x.unsqueeze(-1)", "y.expand(4, 3, 2, 5)", "y.expand(4, -1, 2, -1)",
            "y.expand_as(torch.ones(2, 3, 4, 5))", "x[:, 1:4]", "x[..., ::2]", "x[1]", "x[:, -1]",
            "x[-1, 2:, :3]", "x.select(1, 2)", "x.narrow(1, 1, 3)", "x.narrow(-1, -3, 2)",
            "x.unfold(1, 3, 2)", "m.diagonal()", "m.diagonal(2)", "x.diagonal(-1, 1, 2)",
            "x.view_as(x.permute(0, 2, 1).contiguous())", "x.reshape_as(torch.ones(8, 6))",
            "torch.broadcast_to(y, (2, 3, 1, 5))", "x.split(2, 1)", "x.split([1, 5], 1)",
            "x.chunk(4, 1)", "x.chunk(3, -1)", "x.tensor_split(4, 1)", "x.unbind(2)",
            "x.swapaxes(0, 1)",
            "x.swapdims(0, 2)", "torch.moveaxis(x, 0, 2)",
        ],
    ),
    "join": Family(
        {"x": (2, 3, 4), "y": (2, 5, 4), "i": INTEGERS},
        [
            "torch.cat([x, y], 1)", "torch.cat([x, y, x], dim=-2)", "torch.cat([x, x.half()], 0)",
            "torch.cat([i, i.float()])", "torch.stack([x, x])", "torch.stack([x, x, x], -1)",
            "x.repeat(2, 1, 3)", "x.repeat(2, 1, 1, 2)", "x.tile((2,))", "x.tile((2, 1, 1, 2))",
            "x.repeat_interleave(2, 1)", "x.repeat_interleave(3)", "x.flip(0)", "x.flip((1, -1))",
            "x.roll(1)", "x.roll((1, -2), (0, 2))", "torch.meshgrid(i[0], i[1], indexing='ij')",
            "torch.meshgrid(i[0], i[1, :2], indexing='xy')", "torch.hstack([x, y])",
            "torch.vstack([i[0], i[1]])",
        ],
    ),
    "pad": Family(
        {"x": (2, 3, 5, 4), "l": (2, 3, 6), "i": INTEGERS},
        [
            "F.pad(x, (1, 2))", "F.pad(x, (1, 2, 0, 3), value=0.5)", "F.pad(x, (-1, 1, 2, -2))",
            "F.pad(x, (0, 0, 0, 0, 1, 1))", "F.pad(i, (1, 1), value=7)",
            "F.pad(x, (1, 2, 3, 1), mode='reflect')",
            "F.pad(x, (1, 2, 3, 1), mode='replicate')", "F.pad(x, (1, 2, 3, 1), mode='circular')",
            "F.pad(l, (2, 1), mode='reflect')", "F.pad(l, (2, 1), mode='circular')",
        ],
    ),
    "creation": Family(
        {"x": (2, 3), "i": INTEGERS},
        [
            "torch.zeros(2, 3) + x", "torch.ones(3, dtype=torch.int32)", "torch.full((2,), 1.5)",
            "torch.full((2, 2), 3)", "torch.zeros_like(x)", "torch.ones_like(i)",
            "torch.full_like(x, 2)", "x.new_zeros(4)", "x.new_ones(2, 2)", "x.new_full((2,), 7)",
            "torch.arange(5)", "torch.arange(1, 9, 3)", "torch.arange(0.0, 1.0, 0.3)",
            "torch.arange(3, dtype=torch.float32)", "torch.arange(5, 0, -2)",
            "torch.linspace(0, 1, 7)",
            "torch.linspace(-2, 3, 4)", "torch.eye(3)", "torch.eye(2, 4)", "x.tril()", "x.triu(1)",
            "torch.ones(4, 4, dtype=torch.bool).tril(-1)", "x.to(torch.float16)",
            "x.to(torch.int32)",
            "i.to(torch.float32)", "i.bool()", "i.type_as(x)", "x.clone()", "x.contiguous()",
            "torch.fill(x, 2.0)", "x.detach()", "torch.tensor([1.0, 2.0]) + 1",
            "torch.scalar_tensor(3.0) * x", "i.to(torch.uint8)", "x.double() + x",
        ],
        tolerance=1e-6,
    ),
    "fake_quantize": Family(
        {
            "x": (4, 6, 5), "s": torch.tensor([0.03, 0.05, 0.1, 0.02, 0.07, 0.01]),
            "z": torch.tensor([0, 3, -2, 5, 0, 1], dtype=torch.int32),
            "s0": torch.tensor([0.05]), "z0": torch.tensor([-3], dtype=torch.int32),
            "low": torch.tensor([-1.0]), "high": torch.tensor([2.0]), "tiny": torch.tensor([1e-5]),
            "lows": torch.tensor([-1.0, 0.1, -2.0, 0.0]),
            "highs": torch.tensor([2.0, 0.7, -1.0, 0.0]),
            "zf": torch.tensor([0.4, 2.6, -1.5, 300.0, 0.5, 1.0]), "on": torch.tensor([1]),
            "off": torch.tensor([0]),
        },
        [
            "torch.fake_quantize_per_tensor_affine(x, 0.04, 5, -128, 127)",
            "torch.fake_quantize_per_tensor_affine(x, 0.01, 0, 0, 255)",
            "torch.fake_quantize_per_tensor_affine(x, s0[0], z0[0], -128, 127)",
            "torch.fake_quantize_per_channel_affine(x, s, z, 1, -127, 127)",
            "torch._fake_quantize_learnable_per_tensor_affine(x, s0, zf[1:2], -128, 127)",
            "torch._fake_quantize_learnable_per_channel_affine(x, s, zf, 1, -128, 127)",
            "fused(x, off, low, high, 127)", "fused(x, on, low, high, 127)",
            "fused(x, on, low, high, 127, symmetric=True)", "fused(x, on, low, high, 255, 0)",
            "fused(x, on, tiny, tiny * 3, 127)", "fused(x, on, -tiny, tiny * 3, 127)",
            "fused(x, on, high * 0 + 3, high, 127, symmetric=True)",
            "fused(x, on, lows, highs, 127, -127, per_row=True, symmetric=True)",
            "fused(x, on, lows, highs, 127, per_row=True)",
        ],
        float64=False,
        tolerance=1e-6,
    ),
    "index": Family(
        {
            "x": (4, 5, 6), "i": torch.tensor([3, 0, -1]),
            "j": torch.tensor([[1, 2, 0], [4, 4, -5]]),
            "m": torch.tensor([True, False, True, True]), "e": (9, 3), "y": (3, 5, 6),
            "g": torch.tensor([[[0, 3], [1, 1]], [[2, 2], [0, 0]]]), "s": (2, 5, 6),
        },
        [
            "x[i]", "x[:, j]", "x[i, i]", "x[i, :, i]", "x[:, i, i]", "x[j[:, None] * 0, :, j]",
            "x[..., i]", "x[0, :, i]", "x[i, 2:4]", "x.index_select(1, i.abs())",
            "F.embedding(j.abs(), e)", "x.gather(0, g)",
            "x.gather(-1, g)", "torch.take(x, j)", "F.one_hot(i.abs(), 5)", "F.one_hot(i.abs(), 4)",
            "x.index_put((i,), y)", "x.index_put((i, i), y[0, 0, 0])",
            "x.index_put((i * 0,), y, accumulate=True)", "x.scatter(0, g, x)",
            "x.scatter(1, g, 2.5)", "x.scatter_add(0, g, x)", "x.scatter(0, g, x, reduce='add')",
            "x.scatter(0, g, 3.0, reduce='multiply')", "x.scatter_reduce(0, g, x, 'amax')",
            "x.index_add(0, i.abs(), y, alpha=2)", "x.index_copy(0, i.abs(), y)",
            "x.index_fill(1, i.abs(), 7.0)",
            "torch.slice_scatter(x, s, 0, 1, 3)", "torch.slice_scatter(x, s, 0, 0, 4, 2)",
            "torch.select_scatter(x, y[0], 0, -1)", "torch.masked_fill(x, m[:, None, None], 1.5)",
            "tuple(x.sort(1))", "tuple(x.sort(0, descending=True))", "x.argsort(-1)",
            "tuple(x.topk(2, 1))", "tuple(x.topk(3, 0, largest=False))",
        ],
    ),
    "upsample": Family(
        {"x": (2, 3, 5, 7), "l": (2, 3, 5), "v": (1, 2, 3, 4, 5)},
        [
            "F.interpolate(x, scale_factor=2)", "F.interpolate(x, size=(8, 9))",
            "F.interpolate(x, scale_factor=(1.7, 2.3))", "F.interpolate(x, size=(3, 4))",
            "F.interpolate(x, size=(8, 3), mode='nearest-exact')",
            "F.interpolate(x, scale_factor=0.6, mode='nearest-exact')",
            "F.interpolate(x, scale_factor=2, mode='bilinear')",
            "F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=True)",
            "F.interpolate(x, size=(8, 3), mode='bilinear')",
            "F.interpolate(x, scale_factor=(1.7, 0.7), mode='bilinear')",
            "F.interpolate(x, scale_factor=1.7, mode='bilinear', recompute_scale_factor=True)",
            "F.interpolate(x, size=(1, 1), mode='bilinear', align_corners=True)",
            "F.interpolate(x, size=(9, 4), mode='bicubic')",
            "F.interpolate(x, scale_factor=2, mode='bicubic', align_corners=True)",
            "F.interpolate(x, size=(3, 4), mode='bilinear', antialias=True)",
            "F.interpolate(x, size=(9, 3), mode='bicubic', antialias=True)",
            "F.interpolate(x, size=(3, 4), mode='bilinear', antialias=True, align_corners=True)",
            "F.interpolate(l, size=8, mode='linear')", "F.interpolate(l, scale_factor=3)",
            "F.interpolate(v, size=(5, 3, 6), mode='trilinear')",
            "F.interpolate(v, scale_factor=2)",
        ],
    ),
    "attention": Family(
        {
            "q": (2, 4, 3, 8), "k": (2, 4, 5, 8), "v": (2, 4, 5, 6), "m": (3, 5),
            "b": torch.tensor([[True, False, True, True, False]] * 3),
        },
        [
            "F.scaled_dot_product_attention(q, k, v)",
            "F.scaled_dot_product_attention(q, k, v, attn_mask=m)",
            "F.scaled_dot_product_attention(q, k, v, attn_mask=b)",
            "F.scaled_dot_product_attention(q, k, v, is_causal=True)",
            "F.scaled_dot_product_attention(q, k, v, scale=0.5)",
            "F.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True)",
            "F.scaled_dot_product_attention(q[0, 0], k[0, 0], v[0, 0])",
        ],
    ),
    "shuffle": Family(
        {"x": (2, 8, 4, 6)},
        [
            "F.pixel_shuffle(x, 2)", "F.pixel_unshuffle(x, 2)", "F.channel_shuffle(x, 4)",
            "F.pixel_shuffle(x[0], 2)",
        ],
    ),
    "patches": Family(
        {"x": (2, 3, 7, 6), "c": (2, 12, 30), "p": (12, 12)},
        [
            "F.unfold(x, 3)", "F.unfold(x, (2, 3), dilation=2, padding=(1, 2), stride=(2, 1))",
            "F.unfold(x[0], 2, stride=2)", "F.fold(c, (7, 6), 2)",
            "F.fold(p, (7, 6), 2, dilation=2, padding=1, stride=2)",
        ],
    ),
    "einsum": Family(
        {"x": (3, 4), "y": (4, 5), "s": (2, 3, 4), "t": (2, 4, 5), "m": (4, 4), "v": (4,)},
        [
            "torch.einsum('ij,jk->ik', x, y)", "torch.einsum('ij,jk', x, y)",
            "torch.einsum('bij,bjk->bik', s, t)", "torch.einsum('bij,bjk->ki', s, t)",
            "torch.einsum('ii->i', m)", "torch.einsum('ii', m)", "torch.einsum('i,j->ij', v, v)",
            "torch.einsum('...ij,jk->...ik', s, y)", "torch.einsum('b i j -> b j i', s)",
            "torch.einsum('bij,bjk,k->bi', s, t, y[0])", "torch.einsum('bij->b', s)",
        ],
    ),
}
