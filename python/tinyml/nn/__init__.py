"""Modules that simulate integer arithmetic while they train; what QATQuantizer writes uses them."""

from tinyml.nn.control import (
    calibrating,
    fake_quantizers,
    freeze_bn,
    learn_scales,
    set_calibrating,
    set_fake_quant,
    set_observers,
    unfreeze_bn,
)
from tinyml.nn.fake_quantize import FakeQuantize, Requantize, WeightFakeQuantize
from tinyml.nn.qat_conv import (
    ConvBn1d,
    ConvBn2d,
    ConvBn3d,
    ConvTransposeBn1d,
    ConvTransposeBn2d,
    ConvTransposeBn3d,
    LinearBn1d,
)
from tinyml.nn.quant_layers import (
    QuantConv1d,
    QuantConv2d,
    QuantConv3d,
    QuantConvTranspose1d,
    QuantConvTranspose2d,
    QuantConvTranspose3d,
    QuantEmbedding,
    QuantLinear,
)
from tinyml.nn.quant_recurrent import QuantGRU, QuantLSTM, QuantRNN
from tinyml.nn.schedule import QATSchedule

__all__ = [
    "ConvBn1d",
    "ConvBn2d",
    "ConvBn3d",
    "ConvTransposeBn1d",
    "ConvTransposeBn2d",
    "ConvTransposeBn3d",
    "FakeQuantize",
    "LinearBn1d",
    "QATSchedule",
    "QuantConv1d",
    "QuantConv2d",
    "QuantConv3d",
    "QuantConvTranspose1d",
    "QuantConvTranspose2d",
    "QuantConvTranspose3d",
    "QuantEmbedding",
    "QuantGRU",
    "QuantLSTM",
    "QuantLinear",
    "QuantRNN",
    "Requantize",
    "WeightFakeQuantize",
    "calibrating",
    "fake_quantizers",
    "freeze_bn",
    "learn_scales",
    "set_calibrating",
    "set_fake_quant",
    "set_observers",
    "unfreeze_bn",
]
