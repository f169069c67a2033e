"""Dynamic shapes: one file, resized and run in LiteRT at several sizes."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

import tinyml
from conversion import Call, outputs_of, random_input
from tinyml import _core
from tinyml.verification import _make_interpreter, measure_error

KERNELS = ("xnnpack", "builtin", "reference")


def _run(content, result, inputs, kernels):
    interpreter = _make_interpreter(content, kernels)
    arrays = [
        np.ascontiguousarray(x.numpy().transpose(order))
        for x, order in zip(inputs, result.input_orders, strict=True)
    ]
    for detail, array in zip(interpreter.get_input_details(), arrays, strict=True):
        interpreter.resize_tensor_input(detail["index"], array.shape, strict=True)
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), arrays, strict=True):
        interpreter.set_tensor(detail["index"], array.astype(detail["dtype"]))
    interpreter.invoke()
    values = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    return [
        value.transpose(np.argsort(order)) if value.ndim else value
        for value, order in zip(values, result.output_orders, strict=True)
    ]


def check_dynamic(model, *runs, dynamic_shapes, tolerance=1e-4, kernels=KERNELS, **options):
    """Capture with the first run's inputs, run the one file with each run's."""
    module = (model if isinstance(model, nn.Module) else Call(model)).eval()
    if not isinstance(model, nn.Module):
        dynamic_shapes = (dynamic_shapes,)
    graph = tinyml.trace(module, runs[0], dynamic_shapes)
    result = _core.convert(graph, **options)
    content = result.to_bytes()
    for inputs in runs:
        with torch.no_grad():
            expected = outputs_of(module(*inputs))
        for kernel in kernels:
            actual = _run(content, result, inputs, kernel)
            for reference, value in zip(expected, actual, strict=True):
                name = f"{kernel} {tuple(reference.shape)}"
                error = measure_error(name, reference.numpy(), value)
                assert error.relative <= tolerance, error
    return result


def _batches(*shape):
    return [(random_input(batch, *shape, seed=batch),) for batch in (2, 1, 5)]


BATCH = ({0: Dim.DYNAMIC},)


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU6())
        self.depthwise = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.Hardswish())
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Sigmoid())
        self.head = nn.Linear(8 * 4 * 4, 10)

    def forward(self, x):
        x = self.stem(x)
        y = self.depthwise(x)
        y = x + y * self.gate(y)
        y = F.max_pool2d(y, 2)
        return self.head(y.flatten(1)).softmax(1)


MLP = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 3))


class Shuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(8, 8, 1)
        self.b = nn.Conv2d(8, 8, 3, padding=1, groups=2)

    def forward(self, x):
        n, c, h, w = x.shape
        x = self.a(x).view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        left, right = self.b(x).chunk(2, 1)
        return torch.cat([left, right.mean((2, 3), keepdim=True).expand_as(left)], 1)


BATCHED = {
    "convolutional": (Convolutional(), (3, 16, 16)),
    "mlp": (MLP, (6,)),
    "shuffle": (Shuffle(), (8, 6, 5)),
    "transposed": (nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), (3, 5, 4)),
    "expand": (lambda x: torch.cat([torch.ones(x.shape[0], 1, 4) * 2, x], 1), (3, 4)),
    "view": (lambda x: x.view(x.shape[0] * 2, -1), (6,)),
    "stack": (lambda x: torch.stack([x, x * 2], 1).sum(0), (4,)),
    "norms": (nn.Sequential(nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)), (4, 5, 6)),
}


@pytest.mark.parametrize("name", BATCHED)
def test_batch(name):
    model, shape = BATCHED[name]
    result = check_dynamic(model, *_batches(*shape), dynamic_shapes=BATCH)
    assert result.input_signatures[0][0] == -1
    assert all(size > 0 for size in result.input_signatures[0][1:])


class UNet(nn.Module):
    """Fully convolutional; decodes to the size of the encoder's tensors."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self.a = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.b = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU())
        self.c = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU())
        self.up = nn.Conv2d(14, 6, 3, padding=1)
        self.out = nn.Conv2d(10, 2, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(a)
        c = self.c(b)
        align = {"mode": self.mode}
        b = self.up(torch.cat([F.interpolate(c, size=b.shape[-2:], **align), b], 1))
        return self.out(torch.cat([F.interpolate(b, size=a.shape[-2:], **align), a], 1))


class Upscale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 12, 3, padding=1)
        self.b = nn.ConvTranspose2d(3, 4, 2, 2)

    def forward(self, x):
        return F.interpolate(self.b(F.pixel_shuffle(self.a(x), 2)), scale_factor=2.0)


IMAGES = {
    "unet_bilinear": UNet("bilinear"),
    "unet_nearest": UNet("nearest"),
    "upscale": Upscale(),
    "global": nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "pool": nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2, 1)),
    "tokens": lambda x: x.flatten(2).transpose(1, 2).softmax(-1),
}


@pytest.mark.parametrize("name", IMAGES)
def test_height_and_width(name):
    runs = [(random_input(1, 3, h, w),) for h, w in ((16, 24), (20, 12), (33, 35))]
    if name.startswith("unet_nearest"):
        runs.pop()  # odd sizes: PyTorch's nearest and TFLite's sample other pixels
    check_dynamic(IMAGES[name], *runs, dynamic_shapes=({2: Dim.DYNAMIC, 3: Dim.DYNAMIC},))


def test_all_sizes_of_an_image():
    runs = [(random_input(n, 3, h, w),) for n, h, w in ((2, 16, 24), (1, 20, 12), (3, 8, 8))]
    dims = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    check_dynamic(UNet("bilinear"), *runs, dynamic_shapes=(dims,))


def test_sizes_that_are_multiples():
    runs = [(random_input(1, 3, h, w),) for h, w in ((16, 24), (8, 32))]
    dims = {2: 4 * Dim("h"), 3: 4 * Dim("w")}

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.Conv2d(3, 8, 4, 4)

        def forward(self, x):
            return F.interpolate(self.down(x), scale_factor=4, mode="bilinear")

    check_dynamic(Net(), *runs, dynamic_shapes=(dims,))


def _sequences(width, *lengths):
    return [(random_input(batch, length, width),) for batch, length in lengths]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)
        self.out = nn.Linear(16, 16)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, 4, c // 4).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q @ k.transpose(-1, -2)) / math.sqrt(q.shape[-1])
        x = (scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, c)
        return self.out(x)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.positions = nn.Parameter(random_input(1, 64, 16))

    def forward(self, x):
        return self.layer(x + self.positions[:, : x.shape[1]]).mean(1)


def _before(length):
    """Which positions come no later than each."""
    positions = torch.arange(length)
    return positions[None, :] <= positions[:, None]


SEQUENCES = {
    "attention": Attention(),
    "encoder": Encoder(),
    "convolution": lambda x: F.conv1d(x.transpose(1, 2), torch.ones(4, 16, 3) / 9, padding=1),
    "arange": lambda x: x + torch.arange(x.shape[1])[None, :, None].float() / x.shape[1],
    "halves": lambda x: x[:, x.shape[1] // 2 :] * 2,
    "last": lambda x: x[:, -1],
    "windows": lambda x: F.avg_pool1d(F.pad(x, (0, 0, 1, 2)).transpose(1, 2), 3),
    "mask": lambda x: _before(x.shape[1]).float() @ x,
    "causal": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequence(name):
    runs = _sequences(16, (2, 9), (1, 4), (3, 20))
    dims = {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}
    check_dynamic(SEQUENCES[name], *runs, dynamic_shapes=(dims,), tolerance=2e-4)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["unrolled", "while", "fused"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_recurrent_batch(form, batch_first):
    axis = 0 if batch_first else 1
    runs = [(random_input(*((n, 4) if batch_first else (4, n)), 5),) for n in (2, 1, 3)]
    layer = nn.LSTM(5, 6, bidirectional=True, batch_first=batch_first)
    check_dynamic(layer, *runs, dynamic_shapes=({axis: Dim.DYNAMIC},), recurrent=form)


def test_one_symbol_in_two_inputs():
    batch = Dim("batch")
    runs = [(random_input(n, 3, 4), random_input(n, 4, 5, seed=1)) for n in (2, 1, 4)]
    dims = ({0: batch}, {0: batch})
    check_dynamic(lambda a, b: (a @ b).flatten(1), *runs, dynamic_shapes=dims)


def test_converter_takes_dynamic_shapes(tmp_path):
    path = tmp_path / "model.tflite"
    x = random_input(2, 6)
    converter = tinyml.TFLiteConverter(MLP, x, path, dynamic_shapes=BATCH, verify=True)
    assert converter.convert().errors[0].relative < 1e-3
    details = _make_interpreter(str(path), "builtin").get_input_details()[0]
    assert list(details["shape_signature"]) == [-1, 6]


def test_what_needs_a_constant_size_is_named():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.AdaptiveAvgPool2d(3)
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return self.pool(self.conv(x))

    dims = ({2: Dim.DYNAMIC, 3: Dim.DYNAMIC},)
    graph = tinyml.trace(Net(), random_input(1, 3, 12, 12), dims)
    wanted = r"adaptive_avg_pool2d(.|\n)*dimension 2 \(s\d+\)"
    with pytest.raises(tinyml.Error, match=wanted) as error:
        _core.convert(graph)
    assert error.value.diagnostics[0].module_path == "pool"


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose3d(4, 6, 2, 2),
        nn.ConvTranspose3d(4, 6, 3, 2, 1, output_padding=1),
        nn.ConvTranspose3d(4, 6, 3, padding=1),
    ],
)
@pytest.mark.parametrize("axes", [(0, 2), (2, 3, 4), (0, 2, 3, 4)])
def test_transposed_volumes(layer, axes):
    """Their RESHAPEs have several dynamic sizes, products and multiples of the input's."""
    other = [size + 2 * (axis in axes) for axis, size in enumerate((2, 4, 5, 6, 7))]
    runs = [(random_input(2, 4, 5, 6, 7),), (random_input(*other),)]
    check_dynamic(layer, *runs, dynamic_shapes=(dict.fromkeys(axes, Dim.DYNAMIC),))


class Mixed(nn.Module):
    """Convolutions, a concatenation, a sum, a resize and fixed scales, around dynamic sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.depthwise = nn.Sequential(nn.Conv2d(8, 4, 3, 1, 1, groups=4), nn.Hardswish())
        self.head, self.linear = nn.Conv2d(4, 4, 3, 1, 1), nn.Linear(4, 5)

    def forward(self, x):
        y = self.depthwise(self.stem(x))
        y = torch.cat([y, self.head(y) + y], 1)
        y = F.avg_pool2d(F.interpolate(y, scale_factor=2), 2)
        return self.linear(y.mean((2, 3))[:, :4]), y.softmax(1)


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(8, 16, 3, padding=1), nn.LayerNorm(16)
        self.linear = nn.Linear(16, 6)

    def forward(self, x):
        return self.linear(self.norm(self.conv(x).relu().transpose(1, 2))).tanh()


HEIGHT, WIDTH = 2 * Dim("half_height", min=2), 2 * Dim("half_width", min=2)
QUANTIZED = {
    "batch": (Mixed, [(2, 3, 16, 16), (1, 3, 16, 16), (5, 3, 16, 16)], {0: Dim.DYNAMIC}),
    "all": (Mixed, [(2, 3, 16, 16), (3, 3, 20, 12)], {0: Dim.DYNAMIC, 2: HEIGHT, 3: WIDTH}),
    "tokens": (Tokens, [(2, 8, 12), (1, 8, 30)], {0: Dim.DYNAMIC, 2: Dim.DYNAMIC}),
}


@pytest.mark.parametrize("name", QUANTIZED)
def test_quantized_models(name, tmp_path):
    """FakeQuants of tensors with dynamic sizes: integers at every size, near the simulation."""
    make, shapes, dynamic = QUANTIZED[name]
    torch.manual_seed(0)
    runs = [(random_input(*shape, seed=i),) for i, shape in enumerate(shapes)]
    quantizer = tinyml.PostQuantizer(make().eval(), runs[0], tmp_path)
    module = quantizer.calibrate([runs[0], (-runs[0][0],)])
    result = check_dynamic(module, *runs, dynamic_shapes={"x": dynamic}, tolerance=0.06)
    assert result.operators["QUANTIZE"] <= 4
