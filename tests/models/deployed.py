"""The networks that people deploy, of every kind: vision, detection, text, speech, generation."""

import torch

from .autoencoder import DenoisingAutoencoder
from .bert import Bert
from .conformer import Conformer
from .convnext import ConvNeXt
from .crnn import CRNN
from .decoder import Decoder
from .deeplab import DeepLabV3
from .efficientnet_v2 import EfficientNetV2
from .entry import ZooEntry
from .fpn import FPN
from .ghostnet import GhostNet
from .hrnet import HRNet
from .inception_v3 import InceptionV3
from .mnasnet import MNASNet
from .mobilevit import MobileViT
from .pointnet import PointNet
from .regnet import RegNetY
from .repvgg import RepVGG, repvgg_fused
from .res2net import Res2Net
from .ssd import SSD
from .stylegan import StyleGenerator, style_generator_unfused
from .super_resolution import SuperResolution
from .swin import SwinTransformer
from .taggers import GRUTagger, LSTMTagger
from .tcn import TCN
from .vgg import VGG
from .vit import deit_tiny_distilled, vit_tiny
from .wav2letter import Wav2Letter
from .yolo import YOLO


def tokens(x: torch.Tensor, vocabulary: int = 100) -> torch.Tensor:
    """Token ids from normally distributed numbers."""
    return (x.abs() * 1e4).long() % vocabulary


def text_and_masks(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Ids, a padding mask with a quarter of padding, and segment ids."""
    length = x.shape[1]
    position = torch.arange(length).expand(x.shape)
    mask = (position < length - length // 4).long()
    return tokens(x), mask, (position >= length // 2).long()


def speech_and_lengths(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return x, torch.full((x.shape[0],), x.shape[1] - x.shape[1] // 5)


def tokens_and_state(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """`x` is the state [layers, batch, hidden]; twelve tokens."""
    return tokens(x[0].repeat(1, 12)[:, :12]), 0.3 * x


_IMAGE, _FAST = (1, 3, 224, 224), (1, 3, 64, 64)
_NARROW = {"num_classes": 10, "width": 0.25}
_TRANSFORMER = {"image": 32, "patch": 8, "dim": 24, "depth": 2, "heads": 3, "num_classes": 10}

DEPLOYED: dict[str, ZooEntry] = {
    "vgg11": ZooEntry(VGG, _FAST, _IMAGE, 132_863_336, {"num_classes": 10, "width": 0.0625}),
    "regnet_y_400mf": ZooEntry(
        RegNetY, _FAST, _IMAGE, 4_344_144, {**_NARROW, "depths": (1, 2, 2, 2)}
    ),
    "mnasnet": ZooEntry(MNASNet, _FAST, _IMAGE, 4_383_312, _NARROW),
    "efficientnet_v2_s": ZooEntry(
        EfficientNetV2, _FAST, (1, 3, 384, 384), 21_458_488, {**_NARROW, "depth": 0.25}
    ),
    "convnext_tiny": ZooEntry(
        ConvNeXt,
        _FAST,
        _IMAGE,
        28_589_128,
        {"num_classes": 10, "depths": (1, 1, 2, 1), "dims": (8, 12, 16, 24)},
    ),
    "ghostnet": ZooEntry(GhostNet, _FAST, _IMAGE, 5_182_508, _NARROW),
    "res2net50": ZooEntry(
        Res2Net, _FAST, _IMAGE, 25_699_120, {**_NARROW, "layers": (2, 2, 2, 1), "base_width": 16}
    ),
    "hrnet_w18_small": ZooEntry(HRNet, _FAST, _IMAGE, 13_187_464, {**_NARROW, "blocks": 1}),
    "repvgg_a0": ZooEntry(
        RepVGG, _FAST, _IMAGE, 9_108_968, {**_NARROW, "width": 0.2, "depths": (1, 2, 3, 1)}
    ),
    "repvgg_a0_fused": ZooEntry(
        repvgg_fused, _FAST, _IMAGE, 8_309_384, {**_NARROW, "width": 0.2, "depths": (1, 2, 3, 1)}
    ),
    "inception_v3": ZooEntry(
        InceptionV3,
        (1, 3, 79, 79),
        (1, 3, 299, 299),
        23_834_568,
        {"num_classes": 10, "width": 0.0625, "transform_input": True},
    ),
    "mobilevit_xxs": ZooEntry(
        MobileViT, _FAST, (1, 3, 256, 256), 1_272_024, {**_NARROW, "depths": (1, 1, 1)}
    ),
    "vit_tiny": ZooEntry(vit_tiny, (1, 3, 32, 32), _IMAGE, 5_717_416, _TRANSFORMER),
    "deit_tiny_distilled": ZooEntry(
        deit_tiny_distilled, (1, 3, 32, 32), _IMAGE, 5_910_800, _TRANSFORMER
    ),
    "swin_tiny": ZooEntry(
        SwinTransformer,
        (1, 3, 32, 32),
        _IMAGE,
        28_288_354,
        {"image": 32, "num_classes": 10, "dim": 12, "depths": (2, 2), "heads": (2, 4), "window": 4},
    ),
    "yolov5n": ZooEntry(
        YOLO, _FAST, (1, 3, 640, 640), 1_872_157, {"num_classes": 4, "width": 0.125}
    ),
    "ssd": ZooEntry(
        SSD, _FAST, (1, 3, 320, 320), 3_571_972, {"num_classes": 5, "width": 0.25, "image": 64}
    ),
    "deeplab_v3": ZooEntry(
        DeepLabV3,
        _FAST,
        (1, 3, 513, 513),
        12_653_077,
        {"num_classes": 5, "width": 0.25, "rates": (1, 2, 3)},
    ),
    "fpn": ZooEntry(FPN, _FAST, _IMAGE, 13_783_616, {"width": 0.125, "out": 16}),
    "super_resolution": ZooEntry(
        SuperResolution, (1, 1, 24, 24), (1, 1, 224, 224), 59_657, {"width": 0.25}
    ),
    "denoising_autoencoder": ZooEntry(
        DenoisingAutoencoder,
        (1, 1, 28, 28),
        (1, 1, 28, 28),
        458_913,
        {"width": 0.25, "bottleneck": 16},
    ),
    "pointnet": ZooEntry(
        PointNet, (1, 3, 64), (1, 3, 1024), 3_471_473, {"num_classes": 8, "width": 0.125}
    ),
    "style_generator": ZooEntry(
        StyleGenerator,
        (1, 16),
        (1, 512),
        16_542_725,
        {"style": 16, "channels": 12, "size": 16, "layers": 2},
    ),
    "style_generator_unfused": ZooEntry(
        style_generator_unfused,
        (1, 16),
        (1, 512),
        16_542_725,
        {"style": 16, "channels": 12, "size": 16, "layers": 2},
    ),
    "bert_tiny": ZooEntry(
        Bert,
        (1, 12),
        (1, 128),
        4_385_920,
        {"vocabulary": 100, "dim": 16, "hidden": 32, "positions": 20},
        make_inputs=text_and_masks,
    ),
    "decoder": ZooEntry(
        Decoder,
        (1, 10),
        (1, 64),
        15_191_712,
        {
            "vocabulary": 100,
            "dim": 32,
            "layers": 2,
            "heads": 4,
            "kv_heads": 2,
            "hidden": 48,
            "length": 16,
        },
        make_inputs=lambda x: (tokens(x),),
    ),
    "conformer": ZooEntry(
        Conformer,
        (1, 20, 16),
        (1, 400, 80),
        361_024,
        {"dim": 16, "hidden": 32, "heads": 2, "layers": 1, "kernel": 7},
        make_inputs=speech_and_lengths,
    ),
    "tcn": ZooEntry(
        TCN, (1, 2, 40), (1, 1, 784), 66_910, {"inputs": 2, "channels": (8, 8, 12), "kernel": 3}
    ),
    "wav2letter": ZooEntry(
        Wav2Letter, (1, 13, 80), (1, 13, 296), 23_304_540, {"num_classes": 10, "width": 0.05}
    ),
    "crnn": ZooEntry(
        CRNN,
        (1, 1, 32, 40),
        (1, 1, 32, 100),
        8_331_301,
        {"num_classes": 10, "width": 0.125, "hidden": 12},
    ),
    "lstm_tagger": ZooEntry(
        LSTMTagger,
        (1, 12),
        (1, 30),
        1_239_889,
        {"vocabulary": 100, "tags": 5, "dim": 12, "hidden": 10},
        make_inputs=lambda x: (tokens(x),),
    ),
    "gru_tagger": ZooEntry(
        GRUTagger,
        (2, 1, 10),
        (2, 1, 128),
        1_189_585,
        {"vocabulary": 100, "tags": 5, "dim": 12, "hidden": 10},
        make_inputs=tokens_and_state,
    ),
}
