"""`optimize` and `verify` on files of dynamic sizes as TensorFlow writes them: all are 1 there."""

from collections.abc import Callable

import numpy as np
import pytest
from tinyml._core import TFLiteModel

from tflite_files import FileBuilder, options

INT32_TYPE = 2


class Dynamic(FileBuilder):
    """Shapes with None for a dynamic size."""

    def __init__(self, marked: bool = True) -> None:
        super().__init__()
        self.random = np.random.default_rng(0)
        self.marked = marked  # Whether tensors beside the inputs say which sizes are dynamic.

    def value(self, *shape: int | None, dtype: type = np.float32) -> int:
        sizes = [1 if size is None else size for size in shape]
        signature = [-1 if size is None else size for size in shape]
        fields = {"shapeSignature": signature} if self.marked and None in shape else {}
        return self.tensor(sizes, dtype, **fields)

    def dynamic_input(self, *shape: int | None, dtype: type = np.float32) -> int:
        sizes = [1 if size is None else size for size in shape]
        return self.input(sizes, dtype, shapeSignature=[-1 if s is None else s for s in shape])

    def numbers(self, *values: int) -> int:
        return self.constant(np.array(values, np.int32))

    def weights(self, *shape: int) -> int:
        return self.constant((self.random.standard_normal(shape) * 0.3).astype(np.float32))

    def transpose(self, x: int, order: tuple[int, ...], *shape: int | None) -> int:
        y = self.value(*shape)
        self.op("TRANSPOSE", [x, self.numbers(*order)], [y], options("TransposeOptions"))
        return y

    def conv(self, x: int, channels: tuple[int, int], *shape: int | None, stride: int = 1) -> int:
        y = self.value(*shape)
        given = options("Conv2DOptions", padding=1, strideW=stride, strideH=stride)
        filters = self.weights(channels[1], 3, 3, channels[0])
        self.op("CONV_2D", [x, filters, self.weights(channels[1])], [y], given)
        return y

    def unary(self, kind: str, x: int, *shape: int | None) -> int:
        y = self.value(*shape)
        self.op(kind, [x], [y])
        return y

    def binary(self, kind: str, a: int, b: int, *shape: int | None) -> int:
        y = self.value(*shape)
        self.op(kind, [a, b], [y], options(kind.title() + "Options"))
        return y

    def sizes(self, x: int, rank: int) -> int:
        y = self.tensor([rank], np.int32)
        self.op("SHAPE", [x], [y], options("ShapeOptions", outType=INT32_TYPE))
        return y

    def size(self, shape: int, axis: int) -> int:
        y = self.tensor([], np.int32)
        given = options("StridedSliceOptions", shrinkAxisMask=1)
        at = [self.numbers(axis), self.numbers(axis + 1), self.numbers(1)]
        self.op("STRIDED_SLICE", [shape, *at], [y], given)
        return y

    def pack(self, *sizes: int) -> int:
        y = self.tensor([len(sizes)], np.int32)
        self.op("PACK", list(sizes), [y], options("PackOptions", valuesCount=len(sizes), axis=0))
        return y

    def scalar(self, value: int) -> int:
        return self.constant(np.array(value, np.int32), shape=[])

    def reshape(self, x: int, shape: int, *sizes: int | None) -> int:
        y = self.value(*sizes)
        self.op("RESHAPE", [x, shape], [y], options("ReshapeOptions"))
        return y


def run_at(contents: bytes, values: list[np.ndarray]) -> list[np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=contents, num_threads=1)
    details = interpreter.get_input_details()
    for detail, value in zip(details, values, strict=True):
        interpreter.resize_tensor_input(detail["index"], value.shape)
    interpreter.allocate_tensors()
    for detail, value in zip(details, values, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def check(contents: bytes, *inputs: list[tuple[int, ...]]) -> TFLiteModel:
    """`inputs`: the shapes of all inputs, each time the file is run."""
    model = TFLiteModel.from_bytes(contents)
    problems = len(model.violations())
    model.optimize()
    assert len(model.violations()) <= problems, model.violations()
    result = model.to_bytes()
    random = np.random.default_rng(1)
    for shapes in inputs:
        values = [random.standard_normal(shape).astype(np.float32) for shape in shapes]
        for a, b in zip(run_at(contents, values), run_at(result, values), strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(b, a, atol=1e-5 * max(float(np.abs(a).max(initial=0)), 1e-3))
    return model


def swapped_sizes(m: Dynamic) -> int:
    x = m.dynamic_input(None, None)
    shape = m.sizes(x, 2)
    y = m.reshape(x, m.pack(m.size(shape, 1), m.size(shape, 0)), None, None)
    return m.unary("NEG", y, None, None)


def moved_unit_axis(m: Dynamic) -> int:
    x = m.unary("ABS", m.dynamic_input(None, 1, None, 8), None, 1, None, 8)
    return m.unary("NEG", m.transpose(x, (0, 2, 1, 3), None, None, 1, 8), None, None, 1, 8)


def raised_rank(m: Dynamic) -> int:
    x, table = m.dynamic_input(None, 3), m.dynamic_input(1, None, 3)
    y = m.reshape(m.unary("ABS", x, None, 3), m.numbers(-1, 1, 3), None, 1, 3)
    return m.binary("ADD", y, table, None, None, 3)


def first_row(m: Dynamic) -> int:
    x = m.dynamic_input(None, 8)
    y = m.tensor([1, 8])
    m.op("SLICE", [m.unary("ABS", x, None, 8), m.numbers(0, 0), m.numbers(1, 8)], [y])
    return m.binary("ADD", x, y, None, 8)


def tiled(m: Dynamic) -> int:
    x = m.dynamic_input(None, 4)
    y = m.value(None, 4)
    m.op("TILE", [m.unary("ABS", x, None, 4), m.numbers(2, 1)], [y])
    return m.unary("NEG", y, None, 4)


def joined(m: Dynamic) -> int:
    x, y = m.dynamic_input(None, 4), m.dynamic_input(None, 4)
    z = m.value(None, 8)
    m.op("CONCATENATION", [x, y], [z], options("ConcatenationOptions", axis=1))
    half = m.value(None, 4)
    m.op("SLICE", [z, m.numbers(0, 4), m.numbers(-1, 4)], [half])
    return m.binary("MUL", half, x, None, 4)


def merged_axes(m: Dynamic) -> int:
    """[n, t, c] -> [t, n, c] -> [t * n, c], as before a layer that knows no time."""
    x = m.unary("ABS", m.dynamic_input(None, None, 4), None, None, 4)
    y = m.transpose(x, (1, 0, 2), None, None, 4)
    y = m.reshape(y, m.numbers(-1, 4), None, 4)
    return m.unary("NEG", y, None, 4)


def repeated_reshapes(m: Dynamic) -> int:
    x = m.dynamic_input(None, None, 4)
    shape = m.sizes(x, 3)
    y = m.reshape(x, m.pack(m.size(shape, 0), m.scalar(4), m.size(shape, 1)), None, 4, None)
    y = m.reshape(y, m.pack(m.size(shape, 1), m.size(shape, 0), m.scalar(4)), None, None, 4)
    return m.unary("NEG", y, None, None, 4)


CASES: dict[str, tuple[Callable[[Dynamic], int], list[list[tuple[int, ...]]]]] = {
    "swapped_sizes": (swapped_sizes, [[(3, 5)], [(1, 1)], [(1, 4)]]),
    "moved_unit_axis": (moved_unit_axis, [[(3, 1, 5, 8)], [(1, 1, 1, 8)]]),
    "raised_rank": (raised_rank, [[(4, 3), (1, 5, 3)], [(1, 3), (1, 1, 3)]]),
    "first_row": (first_row, [[(5, 8)], [(1, 8)]]),
    "tiled": (tiled, [[(5, 4)], [(1, 4)]]),
    "joined": (joined, [[(5, 4), (5, 4)], [(1, 4), (1, 4)]]),
    "merged_axes": (merged_axes, [[(3, 5, 4)], [(1, 1, 4)], [(5, 1, 4)]]),
    "repeated_reshapes": (repeated_reshapes, [[(3, 5, 4)], [(2, 1, 4)], [(1, 1, 4)]]),
}


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_same_numbers_at_every_size(name, marked):
    if name == "joined" and not marked:
        pytest.skip("LiteRT itself does not run the SLICE where the result's size is not marked")
    network, inputs = CASES[name]
    m = Dynamic(marked)
    check(m.finish(network(m)), *inputs)


def image_network(m: Dynamic) -> int:
    """Convolutions of an NCHW network; windows do not fit into the sizes of the file."""
    x = m.dynamic_input(None, 3, None, None)
    y = m.transpose(x, (0, 2, 3, 1), None, None, None, 3)
    y = m.conv(y, (3, 8), None, None, None, 8, stride=2)
    y = m.transpose(y, (0, 3, 1, 2), None, 8, None, None)
    y = m.unary("RELU", y, None, 8, None, None)
    z = m.transpose(y, (0, 2, 3, 1), None, None, None, 8)
    z = m.conv(z, (8, 8), None, None, None, 8)
    z = m.transpose(z, (0, 3, 1, 2), None, 8, None, None)
    begin, size = m.numbers(0, 0, 1, 1), m.numbers(-1, -1, -1, -1)
    cut = m.value(None, 8, None, None)
    m.op("SLICE", [y, begin, size], [cut])
    edge = m.value(None, 8, None, None)
    m.op("SLICE", [cut, begin, size], [edge])
    z = m.binary("ADD", z, edge, None, 8, None, None)
    w = m.value(None, 8)
    m.op("MEAN", [z, m.numbers(2, 3)], [w], options("ReducerOptions"))
    return w


def test_windows_need_not_fit_into_the_sizes_of_the_file():
    m = Dynamic()
    contents = m.finish(image_network(m))
    assert TFLiteModel.from_bytes(contents).violations() == []
    model = check(contents, [(1, 3, 12, 13)], [(2, 3, 9, 20)])
    assert model.operators.get("TRANSPOSE", 0) == 1  # Of the input.


def test_a_size_that_cannot_be_another_one_stays():
    """The RESHAPE allows a batch of one only, whatever the input says."""
    m = Dynamic()
    x = m.dynamic_input(None, 4, 2)
    y = m.reshape(m.unary("ABS", x, None, 4, 2), m.numbers(1, 8), 1, 8)
    check(m.finish(m.unary("NEG", y, 1, 8)), [(1, 4, 2)])


def test_a_result_of_the_wrong_size_is_found():
    m = Dynamic()
    x = m.dynamic_input(None, 6, 6, 3)
    y = m.conv(x, (3, 4), None, 6, 6, 5)
    model = TFLiteModel.from_bytes(m.finish(y))
    assert any("make it" in str(problem) for problem in model.violations())
