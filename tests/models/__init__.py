"""The networks that everything must work on, as users write them.

`ZOO[name].build()` is the published size, `ZOO[name].small()` a narrow one for fast tests; both
have the same topology and random, well-scaled weights with the batch-norm statistics that belong
to them. `ZOO` holds convolutional networks that every stage handles, `DEPLOYED` what the converter
must take besides.
"""

from .densenet import densenet121, densenet_small
from .deployed import DEPLOYED
from .ds_cnn import DSCNN
from .efficientnet import EfficientNet
from .entry import ZooEntry
from .googlenet import GoogLeNet
from .mobilenet_v1 import MobileNetV1
from .mobilenet_v2 import MobileNetV2
from .mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from .resnet import ResNet8, resnet18, resnet50
from .shufflenet_v2 import ShuffleNetV2
from .squeezenet import SqueezeNet
from .unet import UNet
from .weights import calibrate_batch_norm, randomize, randomize_batch_norm

__all__ = [
    "DEPLOYED",
    "ZOO",
    "ZooEntry",
    "calibrate_batch_norm",
    "randomize",
    "randomize_batch_norm",
]


_IMAGE, _FAST = (1, 3, 224, 224), (1, 3, 64, 64)
_NARROW = {"num_classes": 10, "width": 0.25}

ZOO: dict[str, ZooEntry] = {
    "mobilenet_v1": ZooEntry(MobileNetV1, _FAST, _IMAGE, 4_231_976, _NARROW),
    "mobilenet_v2": ZooEntry(MobileNetV2, _FAST, _IMAGE, 3_504_872, _NARROW),
    "mobilenet_v3_small": ZooEntry(mobilenet_v3_small, _FAST, _IMAGE, 2_542_856, _NARROW),
    "mobilenet_v3_large": ZooEntry(mobilenet_v3_large, _FAST, _IMAGE, 5_483_032, _NARROW),
    "resnet8": ZooEntry(ResNet8, (1, 3, 32, 32), (1, 3, 32, 32), 78_186, {"width": 0.5}),
    "resnet18": ZooEntry(resnet18, _FAST, _IMAGE, 11_689_512, _NARROW),
    "resnet50": ZooEntry(resnet50, _FAST, _IMAGE, 25_557_032, _NARROW),
    "shufflenet_v2": ZooEntry(
        ShuffleNetV2, _FAST, _IMAGE, 2_278_604, {"num_classes": 10, "width": 0.5}
    ),
    "squeezenet": ZooEntry(SqueezeNet, _FAST, _IMAGE, 1_235_496, _NARROW),
    "densenet121": ZooEntry(densenet121, _FAST, _IMAGE, 7_978_856, {"num_classes": 10}),
    "densenet_small": ZooEntry(densenet_small, _FAST, _FAST, 26_298),
    "efficientnet_b0": ZooEntry(EfficientNet, _FAST, _IMAGE, 5_288_548, _NARROW),
    "googlenet": ZooEntry(GoogLeNet, _FAST, _IMAGE, 7_005_832, _NARROW),
    "unet": ZooEntry(UNet, _FAST, (1, 3, 256, 256), 31_037_698, {"width": 0.125, "depth": 3}),
    "unet_bilinear": ZooEntry(
        UNet,
        _FAST,
        (1, 3, 256, 256),
        17_263_042,
        {"width": 0.125, "depth": 3, "bilinear": True},
        {"bilinear": True},
    ),
    "ds_cnn": ZooEntry(DSCNN, (1, 1, 49, 10), (1, 1, 49, 10), 23_756, {"width": 0.5}),
}
