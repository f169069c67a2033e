"""Writes the seeds of fuzz_tflite: small files with every kind of thing a .tflite file can hold.

Usage: python tests/fuzz/make_tflite_seeds.py FOLDER
"""

from __future__ import annotations

import inspect
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
from tflite_files import OPS, FileBuilder, options, quantization, schema


def attribute(m: FileBuilder, *values: int) -> int:
    return m.constant(np.array(values, np.int32))


def chain() -> bytes:
    """A float network with the operators that passes rewrite."""
    m = FileBuilder()
    x = m.input([1, 6, 6, 3])
    weights, bias = np.ones((4, 3, 3, 3), np.float32), np.ones(4, np.float32)
    y = m.tensor([1, 6, 6, 4])
    given = options("Conv2DOptions", padding=0, strideW=1, strideH=1)
    m.op("CONV_2D", [x, m.constant(weights), m.constant(bias)], [y], given)
    a = m.tensor([1, 6, 6, 4])
    m.op("MUL", [y, m.constant(bias)], [a], options("MulOptions"))
    b = m.tensor([1, 6, 6, 4])
    m.op("RELU6", [a], [b])
    c = m.tensor([1, 4, 6, 6])
    m.op("TRANSPOSE", [b, attribute(m, 0, 3, 1, 2)], [c])
    d = m.tensor([1, 4, 8, 8])
    m.op("PAD", [c, attribute(m, 0, 0, 0, 0, 1, 1, 1, 1)], [d])
    e = m.tensor([1, 4, 2, 2])
    m.op("SLICE", [d, attribute(m, 0, 0, 1, 1), attribute(m, 1, 4, 2, 2)], [e])
    f, g = m.tensor([1, 2, 2, 2]), m.tensor([1, 2, 2, 2])
    m.op("SPLIT", [attribute(m, 1), e], [f, g], options("SplitOptions", numSplits=2))
    h = m.tensor([1, 4, 2, 2])
    m.op("CONCATENATION", [g, f], [h], options("ConcatenationOptions", axis=1))
    i = m.tensor([1, 16])
    m.op("RESHAPE", [h, attribute(m, 1, 16)], [i], options("ReshapeOptions", newShape=[1, 16]))
    j = m.tensor([1, 5])
    m.op(
        "FULLY_CONNECTED",
        [i, m.constant(np.ones((5, 16), np.float32)), -1],
        [j],
        options("FullyConnectedOptions"),
    )
    k = m.tensor([1, 5])
    m.op("SOFTMAX", [j], [k], options("SoftmaxOptions", beta=1.0))
    m.signature()
    return m.finish(k, i)


def quantized() -> bytes:
    m = FileBuilder()
    x = m.input([1, 4, 4, 2])
    q = m.tensor([1, 4, 4, 2], np.int8, quantization=quantization(0.1, 3))
    m.op("QUANTIZE", [x], [q])
    d = m.tensor([1, 4, 4, 2])
    m.op("DEQUANTIZE", [q], [d])
    w = m.constant(np.ones((3, 1, 1, 2), np.int8), quantization=quantization([0.1] * 3))
    v = m.tensor([3, 1, 1, 2])
    m.op("DEQUANTIZE", [w], [v])
    y = m.tensor([1, 4, 4, 3])
    given = options("Conv2DOptions", padding=0, strideW=1, strideH=1)
    m.op("CONV_2D", [d, v, m.constant(np.ones(3, np.float32))], [y], given)
    r = m.tensor([1, 4, 4, 3], np.int8, quantization=quantization(0.2, -3))
    m.op("QUANTIZE", [y], [r])
    s = m.tensor([1, 4, 4, 3])
    m.op("DEQUANTIZE", [r], [s])
    z = m.tensor([1, 4, 4, 3])
    m.op("HARD_SWISH", [s], [z])
    return m.finish(z, s)


def of_every_options(seed: random.Random, table: str, kind: str) -> bytes:
    m = FileBuilder()
    x, y = m.input([1, 4, 4, 4]), m.tensor([1, 4, 4, 4])
    value = getattr(schema, table + "T")()
    for name, default in vars(value).items():
        if isinstance(default, int) and not isinstance(default, bool):
            setattr(value, name, seed.randint(0, 3))
    inputs: list[Any] = [x, m.constant(np.ones((4, 1, 1, 4), np.float32)), attribute(m, 0, 1, 2, 3)]
    m.op(kind, inputs[: seed.randint(1, 3)], [y], value)
    m.signature()
    return m.finish(y)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    seeds = {"chain": chain(), "quantized": quantized()}
    random_numbers = random.Random(1)
    tables = {name.upper().replace("_", ""): name for name in OPS}
    for name, value in vars(schema).items():
        if not name.endswith("Options") or not inspect.isclass(value) or name == "BuiltinOptions":
            continue
        kind = tables.get(name[: -len("Options")].upper(), "CUSTOM")
        seeds[name] = of_every_options(random_numbers, name, kind)
    for name, contents in seeds.items():
        (folder / name).write_bytes(contents)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
