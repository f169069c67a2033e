"""Models that PyTorch has quantized (eager and FX graph mode), as float modules with FakeQuants.

torch.export refuses quantized tensors. Here every layer with packed integer weights becomes the
float layer with those weights and a FakeQuant that restores the integers, and the model's forward
runs in `QuantizedArithmetic`, which puts a FakeQuant wherever a quantized tensor would come out.
"""

from __future__ import annotations

import copy
import functools
import re
import types
from typing import Any

import torch
import torch.ao.nn.intrinsic.quantized as nniq
import torch.ao.nn.intrinsic.quantized.dynamic as nniqd
import torch.ao.nn.quantized as nnq
import torch.ao.nn.quantized.dynamic as nnqd
import torch.ao.nn.quantized.reference as nnqr
from torch import nn

from tinyml._core import Error
from tinyml.nn import quant_layers
from tinyml.quantized_operators import OPERATORS
from tinyml.quantized_tensors import QuantizedArithmetic, input_grid, is_quantized_module

_SCALAR_NAME = re.compile(r"(^|_)(scale|zero_point)(_\d+)?$")
_WEIGHT_RANGE = (-128, 127)  # of qint8

_LAYERS: tuple[tuple[type[nn.Module], type[nn.Module]], ...] = (
    (nnq.Conv1d, quant_layers.QuantConv1d),
    (nnq.Conv2d, quant_layers.QuantConv2d),
    (nnq.Conv3d, quant_layers.QuantConv3d),
    (nnq.ConvTranspose1d, quant_layers.QuantConvTranspose1d),
    (nnq.ConvTranspose2d, quant_layers.QuantConvTranspose2d),
    (nnq.ConvTranspose3d, quant_layers.QuantConvTranspose3d),
    (nnq.Linear, quant_layers.QuantLinear),
)
# Float layers that round their weights: what convert_to_reference_fx makes.
_REFERENCES: tuple[tuple[type[nn.Module], type[nn.Module]], ...] = (
    (nnqr.Conv1d, quant_layers.QuantConv1d),
    (nnqr.Conv2d, quant_layers.QuantConv2d),
    (nnqr.Conv3d, quant_layers.QuantConv3d),
    (nnqr.ConvTranspose1d, quant_layers.QuantConvTranspose1d),
    (nnqr.ConvTranspose2d, quant_layers.QuantConvTranspose2d),
    (nnqr.ConvTranspose3d, quant_layers.QuantConvTranspose3d),
    (nnqr.Linear, quant_layers.QuantLinear),
)
_RELU = (
    *(nniq.ConvReLU1d, nniq.ConvReLU2d, nniq.ConvReLU3d, nniq.ConvAddReLU2d),
    *(nniq.LinearReLU, nniqd.LinearReLU),
)
_DYNAMIC = (
    *(nnqd.Linear, nnqd.Conv1d, nnqd.Conv2d, nnqd.Conv3d, nnqd.ConvTranspose1d),
    *(nnqd.ConvTranspose2d, nnqd.ConvTranspose3d, nnqd.LSTM, nnqd.GRU),
    *(nnqd.LSTMCell, nnqd.GRUCell, nnqd.RNNCell),
)
_RECURRENT = {nnqd.LSTM: nn.LSTM, nnqd.GRU: nn.GRU}
_CELLS = {nnqd.LSTMCell: nn.LSTMCell, nnqd.GRUCell: nn.GRUCell, nnqd.RNNCell: nn.RNNCell}


def has_dynamic_layers(model: nn.Module) -> bool:
    """Whether layers quantize their inputs at run time (torch.ao.nn.quantized.dynamic)."""
    return any(isinstance(module, _DYNAMIC) for module in model.modules())


def from_quantized(model: nn.Module) -> nn.Module:
    """A float copy of a quantized model with the same numbers, which torch.export can capture.

    Weights keep their integers (per tensor and per channel), activations their scales and zero
    points; layers of torch.ao.nn.quantized.dynamic read float inputs. Raises tinyml.Error for a
    quantized module or function that has no twin, when the model is run.
    """
    arithmetic = QuantizedArithmetic(OPERATORS)
    twin = _replace(copy.deepcopy(model), arithmetic)
    for module in twin.modules():
        _unpack_constants(module)
    forward = twin.forward
    if isinstance(twin, torch.fx.GraphModule):  # export would interpret the graph by itself
        graph_module, twin = twin, nn.Module()
        twin.__dict__.update(
            {key: value for key, value in vars(graph_module).items() if key != "_graph"}
        )
        forward = types.MethodType(type(graph_module).forward, twin)

    @functools.wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        with arithmetic:
            return forward(*args, **kwargs)

    twin.forward = run
    return twin.eval()


class QuantizedLayer(nn.Module):
    """A layer, its activation and the grid of its result: one integer operator."""

    def __init__(
        self,
        layer: nn.Module,
        activation: nn.Module | None,
        grid: tuple[float, int] | None,
        arithmetic: QuantizedArithmetic,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.activation = activation
        self.grid = grid
        """Scale and zero point of the result; None for a float one."""
        self._arithmetic = arithmetic

    def forward(self, x: Any, addend: Any = None, **_: Any) -> torch.Tensor:
        with self._arithmetic.plain():
            integers = None if self.grid is None else input_grid(x).with_scale(*self.grid)
            y = self.layer(x)
            if addend is not None:
                y = y + addend
            if self.activation is not None:
                y = self.activation(y)
            return y if integers is None else integers.put(y)


def _replace(module: nn.Module, arithmetic: QuantizedArithmetic) -> nn.Module:
    """The module with its quantized layers replaced; others stay and run in the arithmetic."""
    kind = type(module)
    for base, twin in _LAYERS:
        if isinstance(module, base):
            return _layer(module, twin, arithmetic)
    for base, twin in _REFERENCES:
        if isinstance(module, base):
            return _reference_layer(module, twin)
    if kind in _RECURRENT:
        return _recurrent(module, _RECURRENT[kind])
    if kind in _CELLS:
        return _cell(module, _CELLS[kind])
    if isinstance(module, nnq.EmbeddingBag):
        return _bag(module)
    if isinstance(module, nnq.Embedding):
        return nn.Embedding.from_pretrained(module.weight().dequantize())
    for name, child in list(module.named_children()):
        setattr(module, name, _replace(child, arithmetic))
    return module


def _layer(module: Any, twin: type[nn.Module], arithmetic: QuantizedArithmetic) -> QuantizedLayer:
    weight, bias = module._weight_bias()
    options = {} if isinstance(module, nnq.Linear) else _arguments(module)
    layer = _float_layer(twin, weight, bias, options)
    activation: nn.Module | None = None
    if isinstance(module, _RELU):
        activation = nn.ReLU()
    elif isinstance(module, nniq.LinearLeakyReLU):
        activation = nn.LeakyReLU(module.negative_slope)
    elif isinstance(module, nniq.LinearTanh):
        activation = nn.Tanh()
    grid = None
    if not isinstance(module, _DYNAMIC):
        grid = (float(module.scale), int(module.zero_point))
    return QuantizedLayer(layer, activation, grid, arithmetic)


def _reference_layer(module: Any, twin: type[nn.Module]) -> nn.Module:
    if module.is_decomposed:  # its operators are those of the export-based flow
        return module
    weight = module.weight.detach()
    if module.weight_qscheme is not None and module.weight_dtype is not torch.float16:
        weight = module.get_quantized_weight().detach()
    options = {} if twin is quant_layers.QuantLinear else _arguments(module)
    return _float_layer(twin, weight, module.bias, options)


def _arguments(module: Any) -> dict[str, Any]:
    names = ("stride", "padding", "dilation", "groups", "padding_mode")
    arguments = {name: getattr(module, name) for name in names}
    if module.transposed:
        arguments["output_padding"] = module.output_padding
    return arguments


def _float_layer(
    twin: type[nn.Module],
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    options: dict[str, Any],
) -> nn.Module:
    """The layer with the weight's real values and a FakeQuant that gives its integers back."""
    per_channel = weight.is_quantized and weight.qscheme() in (
        torch.per_channel_affine,
        torch.per_channel_symmetric,
    )
    if weight.is_quantized and weight.dtype != torch.qint8:
        raise Error(f"weights of type {weight.dtype} have no integer kernel; use torch.qint8")

    sizes = tuple(weight.shape)
    kernel: tuple[Any, ...]
    if twin is quant_layers.QuantLinear:
        inputs, outputs, kernel = sizes[1], sizes[0], ()
    elif "output_padding" in options:
        inputs, outputs, kernel = sizes[0], sizes[1] * options["groups"], (sizes[2:],)
    else:
        inputs, outputs, kernel = sizes[1] * options["groups"], sizes[0], (sizes[2:],)
    layer: Any = twin(
        inputs,
        outputs,
        *kernel,
        bias=bias is not None,
        weight_range=_WEIGHT_RANGE if weight.is_quantized else None,
        per_channel=per_channel,
        **options,
    )
    with torch.no_grad():
        layer.weight.copy_(weight.dequantize() if weight.is_quantized else weight)
        if bias is not None:
            layer.bias.copy_(bias.detach())
        fake_quant = layer.weight_fq
        if per_channel:
            fake_quant.axis = weight.q_per_channel_axis()
            fake_quant.scale = weight.q_per_channel_scales().float()
            fake_quant.zero_point = weight.q_per_channel_zero_points().to(torch.int32)
        elif fake_quant is not None:
            fake_quant.scale.fill_(weight.q_scale())
            fake_quant.zero_point.fill_(weight.q_zero_point())
        if fake_quant is not None:
            fake_quant.set_observing(False)
    return layer.eval()


def _recurrent(module: Any, twin: type[nn.Module]) -> nn.Module:
    """Dynamic LSTM and GRU: the float layer with the weights' real values."""
    layer = twin(
        module.input_size,
        module.hidden_size,
        module.num_layers,
        bias=module.bias,
        batch_first=module.batch_first,
        dropout=module.dropout,
        bidirectional=module.bidirectional,
    )
    _load(layer, module.get_weight() | (module.get_bias() if module.bias else {}))
    return layer


def _cell(module: Any, twin: type[nn.Module]) -> nn.Module:
    options = {"nonlinearity": module.nonlinearity} if twin is nn.RNNCell else {}
    cell = twin(module.input_size, module.hidden_size, bias=module.bias, **options)
    _load(cell, module.get_weight() | (module.get_bias() if module.bias else {}))
    return cell


def _load(layer: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    real = {
        name: value.dequantize() if value.is_quantized else value.float()
        for name, value in tensors.items()
    }
    layer.load_state_dict({name: value.detach() for name, value in real.items()})


def _bag(module: Any) -> nn.Module:
    return nn.EmbeddingBag.from_pretrained(
        module.weight().dequantize(),
        mode=module.mode,
        include_last_offset=module.include_last_offset,
    )


def _unpack_constants(module: nn.Module) -> None:
    """Scales and zero points become numbers, quantized tensors real ones, packed weights layers."""
    quantized = is_quantized_module(module)
    graph = isinstance(module, torch.fx.GraphModule)
    for name, buffer in list(module._buffers.items()):
        if buffer is None:
            continue
        if (quantized or graph) and buffer.numel() == 1 and _SCALAR_NAME.search(name):
            del module._buffers[name]
            setattr(module, name, buffer.item())
        elif buffer.is_quantized:
            module._buffers[name] = buffer.dequantize()
    for name, value in list(vars(module).items()):
        if isinstance(value, torch.Tensor) and value.is_quantized:
            setattr(module, name, value.dequantize())
        elif isinstance(value, torch.ScriptObject) and hasattr(value, "unpack"):
            delattr(module, name)
            module.add_module(name, _packed_layer(value))


def _packed_layer(packed: Any) -> nn.Module:
    """A layer for the packed weights that FX's functional calls pass around."""
    weight, bias = packed.unpack()
    if not hasattr(packed, "stride"):
        return _float_layer(quant_layers.QuantLinear, weight, bias, {})
    transposed, rank = packed.transpose(), weight.dim() - 2
    options = {name: tuple(getattr(packed, name)()) for name in ("stride", "padding", "dilation")}
    options["groups"] = packed.groups()
    if transposed:
        options["output_padding"] = tuple(packed.output_padding())
    kinds = {
        (False, 2): quant_layers.QuantConv2d,
        (False, 3): quant_layers.QuantConv3d,
        (True, 2): quant_layers.QuantConvTranspose2d,
        (True, 3): quant_layers.QuantConvTranspose3d,
    }
    return _float_layer(kinds[transposed, rank], weight, bias, options)
