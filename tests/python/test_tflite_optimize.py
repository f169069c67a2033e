"""`optimize` on files as other converters write them: equal numbers, fewer operators."""

import random

import numpy as np
import pytest
from tinyml._core import TFLiteModel

import tinyml
from tflite_files import FileBuilder, options, quantization, run
from tinyml import Error

SAME, VALID = 0, 1


class Model(FileBuilder):
    """Layers as TensorFlow writes them: NHWC, padding SAME, weights of its own orders."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.random = np.random.default_rng(seed)

    def normal(self, *shape: int) -> np.ndarray:
        return (self.random.standard_normal(shape) * 0.3).astype(np.float32)

    def shape(self, x: int) -> list[int]:
        return list(self.graph.tensors[x].shape)

    def conv(self, x: int, channels: int, kernel: int = 3, stride: int = 1, act: int = 0) -> int:
        n, h, w, c = self.shape(x)
        y = self.tensor([n, -(-h // stride), -(-w // stride), channels])
        weights = self.constant(self.normal(channels, kernel, kernel, c))
        given = options("Conv2DOptions", padding=SAME, strideW=stride, strideH=stride)
        given.fusedActivationFunction = act
        self.op("CONV_2D", [x, weights, self.constant(self.normal(channels))], [y], given)
        return y

    def depthwise(self, x: int, stride: int = 1, act: int = 3) -> int:
        n, h, w, c = self.shape(x)
        y = self.tensor([n, -(-h // stride), -(-w // stride), c])
        given = options(
            "DepthwiseConv2DOptions",
            padding=SAME,
            strideW=stride,
            strideH=stride,
            depthMultiplier=1,
            fusedActivationFunction=act,
        )
        weights = self.constant(self.normal(1, 3, 3, c))
        self.op("DEPTHWISE_CONV_2D", [x, weights, self.constant(self.normal(c))], [y], given)
        return y

    def binary(self, kind: str, a: int, b: int, **fields: int) -> int:
        y = self.tensor(np.broadcast_shapes(self.shape(a), self.shape(b)))
        self.op(kind, [a, b], [y], options(kind.title() + "Options", **fields))
        return y

    def unary(self, kind: str, x: int) -> int:
        y = self.tensor(self.shape(x))
        self.op(kind, [x], [y])
        return y

    def transpose(self, x: int, *order: int) -> int:
        y = self.tensor([self.shape(x)[axis] for axis in order])
        permutation = self.constant(np.array(order, np.int32))
        self.op("TRANSPOSE", [x, permutation], [y], options("TransposeOptions"))
        return y

    def mean(self, x: int) -> int:
        n, _, _, c = self.shape(x)
        y = self.tensor([n, c])
        self.op(
            "MEAN", [x, self.constant(np.array([1, 2], np.int32))], [y], options("ReducerOptions")
        )
        return y

    def dense(self, x: int, features: int) -> int:
        n, c = self.shape(x)
        y = self.tensor([n, features])
        weights = self.constant(self.normal(features, c))
        self.op("FULLY_CONNECTED", [x, weights, -1], [y], options("FullyConnectedOptions"))
        return y

    def reshape(self, x: int, *shape: int) -> int:
        y = self.tensor(shape)
        given = options("ReshapeOptions", newShape=list(shape))
        self.op("RESHAPE", [x, self.constant(np.array(shape, np.int32))], [y], given)
        return y


def optimized(contents: bytes) -> tuple[bytes, dict[str, int]]:
    model = TFLiteModel.from_bytes(contents)
    before = sum(model.operators.values())
    model.optimize()
    assert model.violations() == []
    assert sum(model.operators.values()) <= before
    return model.to_bytes(), model.operators


def check(contents: bytes, *inputs: np.ndarray, tolerance: float = 1e-5) -> dict[str, int]:
    result, operators = optimized(contents)
    for kernels in ("builtin", "xnnpack"):
        for a, b in zip(
            run(contents, *inputs, kernels=kernels),
            run(result, *inputs, kernels=kernels),
            strict=True,
        ):
            assert a.shape == b.shape
            scale = max(float(np.abs(a).max()), 1e-3)
            np.testing.assert_allclose(b, a, atol=tolerance * scale)
    return operators


def test_keras_network_with_unfolded_batch_norm():
    m = Model()
    x = m.input([1, 17, 16, 3])
    y = m.conv(x, 8, stride=2)
    y = m.binary("MUL", y, m.constant(m.normal(8)))
    y = m.unary("RELU6", m.binary("ADD", y, m.constant(m.normal(8))))
    y = m.conv(m.depthwise(y, stride=2), 8, kernel=1)
    y = m.binary("ADD", y, m.conv(m.depthwise(y), 8, kernel=1))
    y = m.dense(m.mean(y), 5)
    z = m.unary("LOGISTIC", y)
    m.signature()
    operators = check(m.finish(z), m.normal(1, 17, 16, 3))
    assert "MUL" not in operators
    assert "RELU6" not in operators


@pytest.mark.parametrize("seed", range(3))
def test_transpose_sandwiches_go(seed):
    """What converters write that translate a channel-first graph operator by operator."""
    m = Model(seed)
    x = m.input([1, 3, 12, 10])
    nchw = x
    skip = None
    for channels in (6, 6, 8):
        nhwc = m.transpose(nchw, 0, 2, 3, 1)
        nchw = m.transpose(m.conv(nhwc, channels), 0, 3, 1, 2)
        bias = m.constant(m.normal(1, channels, 1, 1))
        nchw = m.unary("RELU", m.binary("ADD", nchw, bias))
        if skip is not None and m.shape(skip) == m.shape(nchw):
            nchw = m.binary("ADD", nchw, skip)
        skip = nchw
    operators = check(m.finish(nchw), m.normal(1, 3, 12, 10))
    assert operators["TRANSPOSE"] == 2  # The file's own inputs and outputs are channel-first.


def test_flatten_and_dense_behind_a_transpose():
    m = Model()
    x = m.input([1, 6, 6, 4])
    y = m.transpose(m.conv(x, 5), 0, 3, 1, 2)
    z = m.dense(m.reshape(y, 1, 5 * 36), 7)
    operators = check(m.finish(z), m.normal(1, 6, 6, 4))
    assert "TRANSPOSE" not in operators


def test_quantized_network_stays_bit_exact():
    m = Model()
    q = quantization(0.05, 3)
    x = m.input([1, 8, 8, 4], np.int8, quantization=q)
    weights = m.random.integers(-127, 128, (6, 3, 3, 4)).astype(np.int8)
    scales = np.full(6, 0.01, np.float32)
    y = m.tensor([1, 8, 8, 6], np.int8, quantization=quantization(0.1, -5))
    m.op(
        "CONV_2D",
        [
            x,
            m.constant(weights, quantization=quantization(scales, 0, 0)),
            m.constant(np.arange(6, dtype=np.int32), quantization=quantization(scales * 0.05)),
        ],
        [y],
        options("Conv2DOptions", padding=SAME, strideW=1, strideH=1),
        version=3,
    )
    t = m.tensor([1, 6, 8, 8], np.int8, quantization=quantization(0.1, -5))
    m.op("TRANSPOSE", [y, m.constant(np.array([0, 3, 1, 2], np.int32))], [t], version=2)
    u = m.tensor([1, 8, 8, 6], np.int8, quantization=quantization(0.1, -5))
    m.op("TRANSPOSE", [t, m.constant(np.array([0, 2, 3, 1], np.int32))], [u], version=2)
    f = m.tensor([1, 8, 8, 6])
    m.op("DEQUANTIZE", [u], [f], version=2)
    values = m.random.integers(-128, 128, (1, 8, 8, 4)).astype(np.int8)
    operators = check(m.finish(f), values, tolerance=0)
    assert operators == {"CONV_2D": 1, "DEQUANTIZE": 1}


def test_unknown_operators_pin_what_they_read():
    m = Model()
    x = m.input([1, 8, 8, 4])
    y = m.transpose(m.conv(x, 4), 0, 3, 1, 2)
    z = m.tensor(m.shape(y))
    m.op("CUSTOM", [y], [z], custom="Mystery")
    w = m.transpose(z, 0, 2, 3, 1)
    result, operators = optimized(m.finish(m.conv(w, 4)))
    assert operators == {"CONV_2D": 2, "TRANSPOSE": 2, "Mystery": 1}
    assert TFLiteModel.from_bytes(result).operators == operators


def test_dynamic_sizes_stay_dynamic():
    from ai_edge_litert.interpreter import Interpreter

    m = Model()
    signature = {"shapeSignature": [-1, 6, 6, 3]}
    x = m.input([1, 6, 6, 3], **signature)
    y = m.conv(x, 4)
    m.graph.tensors[y].shapeSignature = [-1, 6, 6, 4]
    shape, batch = m.tensor([4], np.int32), m.tensor([], np.int32)
    m.op("SHAPE", [y], [shape], options("ShapeOptions", outType=2))
    one = m.constant(np.array([1], np.int32))
    zero = m.constant(np.array([0], np.int32))
    given = options("StridedSliceOptions", shrinkAxisMask=1)
    m.op("STRIDED_SLICE", [shape, zero, one, one], [batch], given)
    rest = m.constant(np.array(144, np.int32), shape=[])
    sizes = m.tensor([2], np.int32)
    m.op("PACK", [batch, rest], [sizes], options("PackOptions", valuesCount=2, axis=0))
    z = m.tensor([1, 144], shapeSignature=[-1, 144])
    m.op("RESHAPE", [y, sizes], [z], options("ReshapeOptions"))
    original = m.finish(z)
    result, _ = optimized(original)
    value = m.normal(3, 6, 6, 3)
    outputs = []
    for contents in (original, result):
        interpreter = Interpreter(model_content=contents)
        detail = interpreter.get_input_details()[0]
        assert list(detail["shape_signature"]) == [-1, 6, 6, 3]
        interpreter.resize_tensor_input(detail["index"], value.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    assert outputs[1].shape == (3, 144)
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-5)


def random_network(seed: int) -> tuple[bytes, np.ndarray]:
    m, choose = Model(seed), random.Random(seed)
    first = m.input([1, 8, 8, 4])
    values = [first]  # NHWC or NCHW, as the shape says by its channels.
    for _ in range(choose.randint(4, 12)):
        x = choose.choice(values[-3:])
        kind = choose.randrange(7)
        last = m.shape(x)[3] != 8 or m.shape(x)[1] == 8
        if kind == 0 and last:
            values.append(m.conv(x, 4, kernel=choose.choice([1, 3])))
        elif kind == 1:
            order = choose.choice([(0, 3, 1, 2), (0, 2, 3, 1), (0, 1, 3, 2)])
            values.append(m.transpose(x, *order))
        elif kind == 2:
            twins = [v for v in values if m.shape(v) == m.shape(x)]
            values.append(m.binary(choose.choice(["ADD", "MUL"]), x, choose.choice(twins)))
        elif kind == 3:
            values.append(m.unary(choose.choice(["RELU", "TANH", "LOGISTIC", "ABS"]), x))
        elif kind == 4:
            shape = m.shape(x)
            y = m.tensor([1, *shape[1:3], 2 * shape[3]])
            given = options("ConcatenationOptions", axis=choose.choice([3, -1]))
            m.op("CONCATENATION", [x, x], [y], given)
            half = m.tensor(shape)
            begin = m.constant(np.array([0, 0, 0, choose.randint(0, shape[3])], np.int32))
            m.op("SLICE", [y, begin, m.constant(np.array(shape, np.int32))], [half])
            values.append(half)
        elif kind == 5:
            constant = m.constant(m.normal(m.shape(x)[3]))
            values.append(m.binary(choose.choice(["ADD", "MUL"]), x, constant))
        elif last and m.shape(x)[1] > 3:
            values.append(m.depthwise(x, act=choose.choice([0, 1])))
    outputs = {values[-1], choose.choice(values[1:] or values)}
    return m.finish(*sorted(outputs)), m.normal(1, 8, 8, 4)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_compute_the_same(seed):
    contents, value = random_network(seed)
    check(contents, value, tolerance=3e-5)


def test_mutated_files_are_refused_or_sound():
    """Whatever bytes change, the answer is an Error or a model; optimise too."""
    contents, _ = random_network(3)
    seed = random.Random(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(contents)
        for _ in range(seed.randint(1, 4)):
            damaged[seed.randrange(len(damaged))] = seed.choice([0, 1, 127, 128, 255])
        try:
            model = TFLiteModel.from_bytes(bytes(damaged))
            model.violations()
            model.optimize()
            model.to_bytes()
        except Error:
            refused += 1
    assert 0 < refused < 400


def test_a_file_that_does_not_fit_together_is_refused(tmp_path):
    m = Model()
    x = m.input([1, 4, 4, 3])
    y = m.conv(x, 2)
    m.graph.tensors[y].shape = [1, 4, 4, 5]
    path = tmp_path / "bad.tflite"
    path.write_bytes(m.finish(y))
    with pytest.raises(Error, match="make it"):
        tinyml.optimize(path, tmp_path / "out.tflite")
    assert not (tmp_path / "out.tflite").exists()


def test_the_python_functions(tmp_path):
    m = Model()
    x = m.input([1, 4, 4, 3])
    y = m.unary("RELU", m.conv(x, 2))
    m.signature()
    path = tmp_path / "in.tflite"
    path.write_bytes(m.finish(y))
    assert tinyml.optimize(path, tmp_path / "out.tflite") == {"CONV_2D": 1}
    described = tinyml.info(tmp_path / "out.tflite")
    assert described.macs == 4 * 4 * 2 * 27
    assert described.constant_bytes >= 4 * (2 * 27 + 2)
    assert described.arena_bytes == 64 * (3 + 2)
    assert described.inputs[0].shape == [1, 4, 4, 3]
    assert described.signatures["serving_default"]["inputs"][0][0] == "x0"
    assert tinyml.verify(tmp_path / "out.tflite") == []
