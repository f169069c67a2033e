"""STRIDED_SLICE, UNPACK and SPLIT of files become SLICE where that copies less or merges."""

import numpy as np
import pytest
from tinyml._core import TFLiteModel

from tflite_files import FileBuilder, options, run

RANDOM = np.random.default_rng(0)


def numbers(m: FileBuilder, *values: int) -> int:
    return m.constant(np.array(values, np.int32))


def strided(
    m: FileBuilder, x: int, spans: list[tuple[int, int, int]], shape: list[int], **masks: int
) -> int:
    """`spans`: begin, end, step of each axis."""
    y = m.tensor(shape)
    attributes = [numbers(m, *column) for column in zip(*spans, strict=True)]
    m.op("STRIDED_SLICE", [x, *attributes], [y], options("StridedSliceOptions", **masks))
    return y


def absolute(m: FileBuilder, x: int) -> int:
    y = m.tensor(list(m.graph.tensors[x].shape))
    m.op("ABS", [x], [y])
    return y


def check(m: FileBuilder, *outputs: int) -> dict[str, int]:
    contents = m.finish(*outputs)
    model = TFLiteModel.from_bytes(contents)
    assert model.violations() == []
    model.optimize()
    assert model.violations() == []
    shapes = [list(m.model.subgraphs[0].tensors[i].shape) for i in m.model.subgraphs[0].inputs]
    values = [RANDOM.standard_normal(shape).astype(np.float32) for shape in shapes]
    for kernels in ("builtin", "xnnpack"):
        before = run(contents, *values, kernels=kernels)
        after = run(model.to_bytes(), *values, kernels=kernels)
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(b, a)
    return model.operators


WHOLE = (0, 0, 1)
CASES = {
    "plain": ([(0, 1, 1), (2, 7, 1), (1, 5, 1)], [1, 5, 4], {}),
    "masks": ([(7, 7, 1), (2, 0, 1), (3, 5, 1)], [1, 7, 5], {"beginMask": 0b101, "endMask": 0b011}),
    "negative": ([(0, 1, 1), (-4, -1, 1), (-6, 6, 1)], [1, 3, 6], {}),
    "clamped": ([(0, 9, 1), (-20, 3, 1), (0, 6, 1)], [1, 3, 6], {}),
    "fewer_axes": ([(0, 1, 1), (2, 7, 1)], [1, 5, 6], {}),
}


@pytest.mark.parametrize("name", CASES)
def test_strided_slices_by_one_are_slices(name):
    spans, shape, masks = CASES[name]
    m = FileBuilder()
    x = absolute(m, m.input([1, 9, 6]))
    y = strided(m, x, spans, shape, **masks)
    z = strided(m, y, [(0, 1, 1), (1, 3, 1), (0, shape[2] - 1, 1)], [1, 2, shape[2] - 1])
    assert check(m, absolute(m, z)) == {"ABS": 2, "SLICE": 1}


def test_steps_and_dropped_axes_stay():
    m = FileBuilder()
    x = absolute(m, m.input([1, 9, 6]))
    y = strided(m, x, [WHOLE, (1, 9, 2), WHOLE], [1, 4, 6], beginMask=0b101, endMask=0b101)
    z = strided(m, x, [WHOLE, (3, 4, 1), WHOLE], [1, 6], beginMask=5, endMask=5, shrinkAxisMask=2)
    assert check(m, absolute(m, y), absolute(m, z)) == {"ABS": 3, "STRIDED_SLICE": 2}


@pytest.mark.parametrize(("axis", "used"), [(0, [1]), (1, [0, 3]), (-1, [2, 0]), (1, [0, 1, 2, 3])])
def test_unpack_of_which_few_results_are_read(axis, used):
    m = FileBuilder()
    shape = [4, 4, 4]
    x = absolute(m, m.input(shape))
    results = [m.tensor([4, 4]) for _ in range(4)]
    m.op("UNPACK", [x], results, options("UnpackOptions", num=4, axis=axis))
    operators = check(m, *(absolute(m, results[i]) for i in used))
    if len(used) == 4:
        assert operators == {"ABS": 5, "UNPACK": 1}
    else:
        assert operators == {"ABS": 1 + len(used), "SLICE": len(used), "RESHAPE": len(used)}


def test_unpack_of_one_is_a_reshape():
    m = FileBuilder()
    y = m.tensor([2, 5])
    m.op("UNPACK", [absolute(m, m.input([2, 1, 5]))], [y], options("UnpackOptions", num=1, axis=1))
    assert check(m, absolute(m, y)) == {"ABS": 2, "RESHAPE": 1}


@pytest.mark.parametrize("used", [[1, 3], [0, 1, 2]])
def test_split_of_which_few_results_are_read(used):
    m = FileBuilder()
    results = [m.tensor([1, 3]) for _ in range(4)]
    x = absolute(m, m.input([1, 12]))
    m.op("SPLIT", [numbers(m, 1), x], results, options("SplitOptions", numSplits=4))
    operators = check(m, *(absolute(m, results[i]) for i in used))
    kept = {"SLICE": 2} if len(used) == 2 else {"SPLIT": 1}
    assert operators == {"ABS": 1 + len(used), **kept}


def join(m: FileBuilder, axis: int, *parts: int) -> int:
    shapes = [list(m.graph.tensors[part].shape) for part in parts]
    shape = list(shapes[0])
    shape[axis] = sum(other[axis] for other in shapes)
    y = m.tensor(shape)
    m.op("CONCATENATION", list(parts), [y], options("ConcatenationOptions", axis=axis))
    return y


def part(m: FileBuilder, x: int, begin: list[int], size: list[int]) -> int:
    y = m.tensor(size)
    m.op("SLICE", [x, numbers(m, *begin), numbers(m, *size)], [y], options("SliceOptions"))
    return y


@pytest.mark.parametrize("axis", [1, 2])
def test_slices_across_joined_parts_are_put_together_from_these(axis):
    m = FileBuilder()
    x = absolute(m, m.input([1, 16, 16, 32]))
    y = absolute(m, m.input([1, 16, 16, 32]))
    whole = join(m, axis, x, y)
    ends = [part(m, whole, [0, 0, 0, 0], [1, 16, 16, 32])]
    begin, size = [0, 0, 0, 3], [1, 16, 16, 20]
    begin[axis] = 12
    size[axis] = 6
    ends.append(part(m, whole, begin, size))
    operators = check(m, *(absolute(m, end) for end in ends))
    assert operators == {"ABS": 4, "SLICE": 2, "CONCATENATION": 1}


def test_split_across_joined_parts():
    m = FileBuilder()
    parts = [absolute(m, m.input([1, 8, 8, channels])) for channels in (40, 56, 32)]
    whole = join(m, 3, *parts)
    halves = [m.tensor([1, 8, 8, 64]) for _ in range(2)]
    m.op("SPLIT", [numbers(m, 3), whole], halves, options("SplitOptions", numSplits=2))
    operators = check(m, *(absolute(m, half) for half in halves))
    # 40 and 24 of 56; the other 32 and all 32.
    assert operators == {"ABS": 5, "SLICE": 2, "CONCATENATION": 2}


def test_slices_that_would_copy_more_stay():
    m = FileBuilder()
    x, y = (absolute(m, m.input([1, 8, 8, 32])) for _ in range(2))
    whole = join(m, 3, x, y)
    size = [1, 8, 8, 62]
    ends = [part(m, whole, [0, 0, 0, begin], size) for begin in (0, 1, 2)]
    operators = check(m, *(absolute(m, end) for end in ends))
    assert operators == {"ABS": 5, "SLICE": 3, "CONCATENATION": 1}
    m = FileBuilder()
    x, y = (absolute(m, m.input([1, 16, 16, 32])) for _ in range(2))
    whole = join(m, 3, x, y)
    middle = part(m, whole, [0, 0, 0, 8], [1, 16, 16, 32])
    operators = check(m, absolute(m, middle), absolute(m, whole))  # which is there anyway
    assert operators == {"ABS": 4, "SLICE": 1, "CONCATENATION": 1}


@pytest.mark.parametrize(("count", "axis"), [(2, 1), (3, 3), (4, -1)])
def test_slices_that_are_all_in_equal_parts_are_one_split(count, axis):
    m = FileBuilder()
    shape = [1, 12, 5, 12]
    x = absolute(m, m.input(shape))
    size = list(shape)
    size[axis] //= count
    ends = []
    for i in reversed(range(count)):
        begin = [0] * 4
        begin[axis] = i * size[axis]
        ends.append(absolute(m, part(m, x, begin, size)))
    assert check(m, *ends) == {"ABS": 1 + count, "SPLIT": 1}


def test_other_slices_stay():
    for begins, length in (([0, 4], 4), ([0, 3], 4), ([0, 2, 4, 6, 8, 10], 2)):
        m = FileBuilder()
        x = absolute(m, m.input([1, 3, 5, 12]))
        parts = [part(m, x, [0, 0, 0, begin], [1, 3, 5, length]) for begin in begins]
        operators = check(m, *(absolute(m, y) for y in parts))
        assert operators == {"ABS": 1 + len(begins), "SLICE": len(begins)}
