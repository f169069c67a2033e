"""The networks that the runtime benchmark converts, as captured graphs, and the figures to beat."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from models import DEPLOYED, ZOO  # noqa: E402

import tinyml  # noqa: E402
from tinyml import PostQuantizer  # noqa: E402


@dataclass(frozen=True)
class Anchor:
    """The best of three leading converters on the same kind of machine; None: not measured."""

    milliseconds: float | None = None
    operators: int | None = None
    transposes: int | None = None
    int8_ratio: float | None = None
    """Time of the int8 file over that of the float one."""
    goal: float | None = None
    """The int8 ratio that the project wants."""


ANCHORS = {
    "mobilenet_v2": Anchor(3.8, 69, 0, 0.46, 0.46),
    "mobilenet_v3_small": Anchor(1.24, 112, 0, 2.8, 0.5),
    "mobilenet_v3_large": Anchor(goal=0.5),
    "resnet18": Anchor(17.8, 36, 0, 0.32, 0.28),
    "efficientnet_b0": Anchor(7.2, 243, 0, 0.44, 0.44),
    "shufflenet_v2": Anchor(2.5, 145, 17, 0.44, 0.44),
    "vit_tiny": Anchor(13.6, 436, 36, 0.49, 0.45),
    "mobilevit_xxs": Anchor(7.5, 486, 45),
    "unet": Anchor(4.6, 24, 0),
    "yolov5n": Anchor(8.56, 253, 3),
    "ds_cnn": Anchor(operators=13),
    "resnet8": Anchor(operators=17),
}


NETWORKS = {**ZOO, **DEPLOYED}


def names() -> list[str]:
    """The networks there are definitions of."""
    return [name for name in ANCHORS if name in NETWORKS]


def graphs(name: str, cache: Path) -> tuple[tinyml.Graph, tinyml.Graph]:
    """The published network as captured, and with calibrated FakeQuants; made once."""
    paths = [cache / f"{name}_{kind}.pt2" for kind in ("float", "int8")]
    if not all(path.exists() for path in paths):
        cache.mkdir(parents=True, exist_ok=True)
        entry = NETWORKS[name]
        model, example = entry.build(), entry.example_input(full=True)
        tinyml.trace(model, (example,)).save(str(paths[0]))
        quantizer = PostQuantizer(model, example, work_dir=cache / name)
        quantized = quantizer.calibrate(entry.example_input(seed, full=True) for seed in (1, 2))
        tinyml.trace(quantized.eval(), (example,)).save(str(paths[1]))
    return tinyml.Graph.load(str(paths[0])), tinyml.Graph.load(str(paths[1]))
