"""`optimize` on files with IF and WHILE of other makers: random bodies compute the same."""

import random

import numpy as np
import pytest
from tinyml._core import TFLiteModel

from tflite_files import FileBuilder, options, run

ROUNDS = 3


class Body(FileBuilder):
    """Random operators that lead from a shape back to it."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.choose = random.Random(seed)
        self.random = np.random.default_rng(seed)

    def shape(self, x: int) -> list[int]:
        return list(self.graph.tensors[x].shape)

    def numbers(self, *values: int) -> int:
        return self.constant(np.array(values, np.int32))

    def like(self, x: int) -> int:
        return self.tensor(self.shape(x))

    def transpose(self, x: int, order: tuple[int, ...]) -> int:
        y = self.tensor([self.shape(x)[axis] for axis in order])
        self.op("TRANSPOSE", [x, self.numbers(*order)], [y], options("TransposeOptions"))
        return y

    def reshape(self, x: int, shape: list[int]) -> int:
        y = self.tensor(shape)
        given = options("ReshapeOptions", newShape=shape)
        self.op("RESHAPE", [x, self.numbers(*shape)], [y], given)
        return y

    def unary(self, x: int) -> int:
        y = self.like(x)
        self.op(self.choose.choice(["TANH", "LOGISTIC", "ABS", "RELU"]), [x], [y])
        return y

    def binary(self, a: int, b: int) -> int:
        y = self.like(a)
        kind = self.choose.choice(["ADD", "SUB", "MUL"])
        self.op(kind, [a, b], [y], options(kind.title() + "Options"))
        return y

    def halves(self, x: int) -> int:
        """Split and joined again, perhaps the other way round; one result may go unread."""
        shape = self.shape(x)
        part = [*shape[:-1], shape[-1] // 2]
        a, b, y = self.tensor(part), self.tensor(part), self.like(x)
        self.op(
            "SPLIT", [self.numbers(len(shape) - 1), x], [a, b], options("SplitOptions", numSplits=2)
        )
        parts = self.choose.choice([[a, b], [b, a], [a, a]])
        self.op("CONCATENATION", parts, [y], options("ConcatenationOptions", axis=len(shape) - 1))
        return y

    def conv(self, x: int) -> int:
        channels = self.shape(x)[-1]
        y = self.like(x)
        weights = self.random.standard_normal((channels, 1, 1, channels)) * 0.3
        bias = self.constant(self.random.standard_normal(channels).astype(np.float32))
        given = options("Conv2DOptions", padding=0, strideW=1, strideH=1)
        self.op("CONV_2D", [x, self.constant(weights.astype(np.float32)), bias], [y], given)
        return y

    def wander(self, x: int, other: int) -> int:
        """`x` is [1, 4, 4, 4], and what comes back too."""
        home = self.shape(x)
        for _ in range(self.choose.randint(2, 6)):
            kind = self.choose.randrange(6)
            if kind == 0:
                order = self.choose.choice([(0, 3, 1, 2), (0, 2, 3, 1), (0, 2, 1, 3)])
                x = self.transpose(x, order)
            elif kind == 1:
                x = self.unary(self.reshape(self.reshape(x, [4, 16]), home))
            elif kind == 2:
                x = self.halves(x)
            elif kind == 3:
                x = self.conv(x)
            elif kind == 4:
                x = self.binary(x, other)
            else:
                x = self.unary(x)
        return x


def loop(seed: int) -> tuple[bytes, list[np.ndarray]]:
    """i, x, y -> i + 1, f(x, y), y while i < 3; y is handed on, or swapped with x."""
    m = Body(seed)
    scalar = {"dtype": np.int32}

    def state() -> list[int]:
        return [m.input([1], **scalar), m.input([1, 4, 4, 4]), m.input([1, 4, 4, 4])]

    values = state()
    i = m.constant(np.zeros(1, np.int32)) if m.choose.random() < 0.5 else values[0]
    given = [i, m.transpose(values[1], (0, 2, 1, 3)), m.unary(values[2])]
    results = [m.tensor([1], np.int32), m.tensor([1, 4, 4, 4]), m.tensor([1, 4, 4, 4])]
    m.op("WHILE", given, results, options("WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2))
    out = [m.transpose(results[1], (0, 3, 1, 2)), m.unary(results[2])]
    m.graph.outputs = out if m.choose.random() < 0.5 else out[:1]
    m.add_subgraph("condition")
    values = state()
    less = m.tensor([1], np.bool_)
    m.op("LESS", [values[0], m.numbers(ROUNDS)], [less], options("LessOptions"))
    m.graph.outputs = [less]
    m.add_subgraph("body")
    i, x, y = state()
    following = m.tensor([1], np.int32)
    m.op("ADD", [i, m.numbers(1)], [following], options("AddOptions"))
    new = m.wander(x, y)
    m.graph.outputs = [following, new, m.choose.choice([y, x, new])]
    inputs = [np.zeros(1, np.int32)]
    inputs += [m.random.standard_normal((1, 4, 4, 4)).astype(np.float32) for _ in range(2)]
    return m.finish(), inputs


def branch(seed: int) -> tuple[bytes, list[np.ndarray]]:
    """condition, x, y -> one of two functions, of whose results one may go unread."""
    m = Body(seed)
    condition = m.input([1], np.bool_)
    x, y = m.input([1, 4, 4, 4]), m.input([1, 4, 4, 4])
    results = [m.tensor([1, 4, 4, 4]), m.tensor([1, 4, 4, 4])]
    given = [condition, m.transpose(x, (0, 2, 1, 3)), m.unary(y)]
    m.op("IF", given, results, options("IfOptions", thenSubgraphIndex=1, elseSubgraphIndex=2))
    out = [m.transpose(value, (0, 3, 1, 2)) for value in results]
    m.graph.outputs = m.choose.choice([out, out[:1], out[1:]])
    for name in ("then", "else"):
        m.add_subgraph(name)
        x, y = m.input([1, 4, 4, 4]), m.input([1, 4, 4, 4])
        m.graph.outputs = [m.wander(x, y), m.choose.choice([x, m.wander(y, x)])]
    values = [m.random.standard_normal((1, 4, 4, 4)).astype(np.float32) for _ in range(2)]
    return m.finish(), [np.array([seed % 2 == 0]), *values]


@pytest.mark.parametrize("network", [loop, branch])
@pytest.mark.parametrize("seed", range(8))
def test_random_bodies_compute_the_same(network, seed):
    contents, inputs = network(seed)
    model = TFLiteModel.from_bytes(contents)
    assert model.violations() == []
    before = sum(model.operators.values())
    model.optimize()
    assert model.violations() == []
    assert sum(model.operators.values()) <= before + 1  # A copy against overwriting.
    result = model.to_bytes()
    for kernels in ("builtin", "xnnpack"):
        expected = run(contents, *inputs, kernels=kernels)
        for a, b in zip(expected, run(result, *inputs, kernels=kernels), strict=True):
            np.testing.assert_allclose(b, a, atol=1e-5 * max(float(np.abs(a).max()), 1e-3))
