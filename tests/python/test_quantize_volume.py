"""Transposed convolutions over three dimensions on integers: all geometries, and a 3-D U-Net."""

import pytest
import torch
from torch import nn
from torch.export import Dim

import tinyml
from conversion import convert_module, run_all
from test_convert_dynamic import check_dynamic
from tinyml import DeQuantizer, PostQuantizer, QATQuantizer
from tinyml import nn as qnn
from tinyml.verification import _make_interpreter

SHAPE = (2, 4, 5, 6, 7)
# name -> arguments of nn.ConvTranspose3d(4, 6, ...)
GEOMETRIES = {
    "plain": {"kernel_size": 3},
    "upsampling": {"kernel_size": 2, "stride": 2},
    "padded": {"kernel_size": 4, "stride": 2, "padding": 1},
    "output_padding": {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
    "uneven": {
        "kernel_size": (3, 2, 3),
        "stride": (2, 3, 1),
        "padding": (1, 0, 1),
        "output_padding": (1, 2, 0),
    },
    "dilated": {"kernel_size": (2, 3, 2), "stride": (3, 2, 1), "dilation": (2, 2, 3)},
    "dilated_in_step": {"kernel_size": 2, "stride": 2, "dilation": 2, "output_padding": 1},
    "much_padding": {"kernel_size": 3, "stride": (3, 2, 1), "padding": 2},
    "planes_without_taps": {"kernel_size": (1, 2, 2), "stride": 3, "output_padding": (2, 0, 1)},
    "one_plane": {"kernel_size": (1, 3, 3), "stride": (1, 2, 2), "bias": False},
}


def volume(seed, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def check_on_integers(module, x, step):
    """The file has no float operator, and is within a step of the module on every kernel set."""
    result = convert_module(module, x)
    assert not [op for op in result.operators if "3D" in op]
    assert result.operators["QUANTIZE"] == 1, result.operators
    with torch.no_grad():
        expected = [module(x)]
    for error in run_all(result, [x], expected, ("xnnpack", "builtin", "reference")):
        assert error.max_abs <= 1.01 * step, error
    return result


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("folded", [False, True])
def test_every_geometry(name, folded, tmp_path):
    torch.manual_seed(0)
    layer = nn.ConvTranspose3d(4, 6, **GEOMETRIES[name])
    model = nn.Sequential(layer, nn.BatchNorm3d(6), nn.ReLU()) if folded else nn.Sequential(layer)
    model(volume(9))  # statistics that are not 0 and 1
    quantizer = PostQuantizer(model.eval(), volume(0), tmp_path)
    module = quantizer.calibrate([volume(seed) for seed in range(4)])
    assert not quantizer.report.float_operators
    kind = qnn.ConvTransposeBn3d if folded else qnn.QuantConvTranspose3d
    assert [type(m) for m in module.modules() if isinstance(m, nn.ConvTranspose3d)] == [kind]
    step = [m for m in module.modules() if isinstance(m, qnn.FakeQuantize)][-1].scale.item()
    with torch.no_grad():
        y, rounded = model(volume(1)), module(volume(1))
        assert (y - rounded).square().mean() < 1e-3 * y.square().mean()
    check_on_integers(module, volume(1), step)


@pytest.mark.parametrize("stride", [2, (3, 1, 2)])
@pytest.mark.parametrize("size", [6, 7])
def test_convolutions_that_skip_planes(stride, size, tmp_path):
    """By RESHAPE and SLICE, whatever the depth; a dynamic one must be a multiple of the stride."""
    torch.manual_seed(0)
    model, shape = nn.Sequential(nn.Conv3d(4, 6, 3, stride, 1)).eval(), (2, 4, size, 6, 7)
    module = PostQuantizer(model, volume(0, shape), tmp_path).calibrate([volume(0, shape)])
    step = [m for m in module.modules() if isinstance(m, qnn.FakeQuantize)][-1].scale.item()
    result = check_on_integers(module, volume(1, shape), step)
    assert "STRIDED_SLICE" not in result.operators
    every = stride if isinstance(stride, int) else stride[0]
    runs = [(volume(depth, (2, 4, depth * every, 6, 7)),) for depth in (3, 5, 4)]
    dims = {2: every * Dim("steps", min=2, max=50)}
    check_dynamic(module, *runs, dynamic_shapes=(dims,), tolerance=0.06)
    with pytest.raises(tinyml.Error, match="keep that dimension constant"):
        check_dynamic(module, *runs, dynamic_shapes=({2: Dim.DYNAMIC},))


def test_several_groups_are_float_and_listed(tmp_path):
    model = nn.Sequential(nn.Conv3d(4, 4, 1), nn.ConvTranspose3d(4, 4, 2, 2, groups=2)).eval()
    quantizer = PostQuantizer(model, volume(0), tmp_path, {"allow_float": True})
    module = quantizer.calibrate([volume(0)])
    [found] = quantizer.report.float_operators
    assert found.op == "aten.conv_transpose3d.input"
    assert "groups" in found.reason
    result = convert_module(module, volume(1))
    with torch.no_grad():
        for error in run_all(result, [volume(1)], [module(volume(1))], ("xnnpack", "reference")):
            assert error.snr_db > 50


def test_without_its_fake_quant_it_alone_is_float(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv3d(4, 4, 1), nn.ConvTranspose3d(4, 4, 3, 1), nn.Conv3d(4, 4, 1))
    module = QATQuantizer(model.eval(), volume(0), tmp_path).quantize()
    for rounded in (True, False):
        if not rounded:
            [child] = [m for m in module.modules() if isinstance(m, qnn.QuantConvTranspose3d)]
            child.weight_fq = None
        with torch.no_grad():
            module.train()(volume(0))
        interpreter = _make_interpreter(
            convert_module(module.eval(), volume(1)).to_bytes(), "builtin"
        )
        types = {d["index"]: d["dtype"].__name__ for d in interpreter.get_tensor_details()}
        found = {
            (op["op_name"], types[op["outputs"][0]])
            for op in interpreter._get_ops_details()
            if "CONV" in op["op_name"] or op["op_name"] == "FULLY_CONNECTED"
        }
        kinds = {kind for name, kind in found if name == "TRANSPOSE_CONV"}
        assert kinds == {"int8" if rounded else "float32"}, found
        assert {kind for name, kind in found if name != "TRANSPOSE_CONV"} == {"int8"}, found


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.deep = self.block(2, 6), self.block(6, 12)
        self.pool = nn.MaxPool3d(2)
        self.up = nn.Sequential(
            nn.ConvTranspose3d(12, 6, 3, 2, 1, output_padding=1), nn.BatchNorm3d(6), nn.ReLU()
        )
        self.join, self.head = self.block(12, 6), nn.Conv3d(6, 2, 1)

    @staticmethod
    def block(inputs, outputs):
        return nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm3d(outputs), nn.ReLU()
        )

    def forward(self, x):
        x = self.down(x)
        return self.head(self.join(torch.cat([self.up(self.deep(self.pool(x))), x], 1)))


def unet():
    torch.manual_seed(0)
    model = UNet().train()
    for seed in range(4):
        model(volume(seed, (2, 2, 8, 8, 8)))
    return model.eval()


def test_unet_after_training_quantization(tmp_path):
    model, batches = unet(), [volume(seed, (1, 2, 8, 8, 8)) for seed in range(4)]
    quantizer = PostQuantizer(model, batches[0], tmp_path)
    module = quantizer.calibrate(batches)
    assert not quantizer.report.float_operators
    x = volume(9, (1, 2, 8, 8, 8))
    result = convert_module(module, x)
    assert not [op for op in result.operators if "3D" in op]
    with torch.no_grad():
        expected, simulated = model(x), module(x)
    [error] = run_all(result, [x], [simulated], ("xnnpack",))
    assert error.snr_db > 35, error
    [error] = run_all(result, [x], [expected], ("xnnpack",))
    assert error.snr_db > 20, error
    dims = ({0: Dim.DYNAMIC},)
    runs = [(volume(seed, (count, 2, 8, 8, 8)),) for seed, count in enumerate((2, 1, 3))]
    check_dynamic(module, *runs, dynamic_shapes=dims, tolerance=0.06, kernels=("xnnpack",))


def test_unet_trained_with_quantization(tmp_path):
    model, x = unet(), volume(9, (2, 2, 8, 8, 8))
    module = QATQuantizer(model, x, tmp_path).quantize().train()
    optimizer = torch.optim.SGD(module.parameters(), 0.02)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = (module(x) - 1).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    module.eval()
    result = convert_module(module, x)
    assert not [op for op in result.operators if "3D" in op]
    with torch.no_grad():
        [error] = run_all(result, [x], [module(x)], ("xnnpack",))
    assert error.snr_db > 25, error
    back = DeQuantizer(module, x, tmp_path).dequantize()
    assert type(back.up[0]) is nn.ConvTranspose3d
