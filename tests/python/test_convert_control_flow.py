"""torch.cond as IF and while_loop as WHILE, with subgraphs."""

import numpy as np
import pytest
import torch
from torch import nn
from torch._higher_order_ops import while_loop

import tinyml
from conversion import (
    Call,
    capture,
    check_generated,
    load_generated,
    outputs_of,
    random_input,
    run_all,
)
from tinyml import _core


class Choice(nn.Module):
    """Layers in both branches, several results."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.conv = nn.Conv1d(2, 2, 3, padding=1)

    def forward(self, x):
        def dense(x):
            y = self.linear(x)
            return y.relu_(), x.sum(1)

        def convolved(x):
            return self.conv(x[None])[0], x.amax(1) * 2

        y, z = torch.cond(x.sum() > 0, dense, convolved, (x,))
        return y + 1, z


class Nested(nn.Module):
    def forward(self, x, y):
        def inner(x, y):
            return torch.cond(y.sum() > 0, lambda a, b: a + b, lambda a, b: a - b, (x, y))

        return torch.cond(x.sum() > 0, inner, lambda a, b: a * b, (x, y)) * 2


class Images(nn.Module):
    """The branches work on what convolutions make, and feed one."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.left = nn.Conv2d(8, 8, 3, padding=1)
        self.right = nn.Conv2d(8, 8, 1)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = self.first(x).relu()
        x = torch.cond(
            x.mean() > 0.2, lambda y: self.left(y).relu(), lambda y: self.right(y) * 2, (x,)
        )
        return self.last(x)


class Switched(nn.Module):
    """Decisions that are the same in every call, one inside another, and one that is not."""

    def __init__(self, first, second):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("first", torch.tensor(first))
        self.register_buffer("second", torch.tensor(second))

    def forward(self, x):
        def dense(x):
            def small(x):
                return torch.cond(x.sum() > 0, lambda a: a * 3, lambda a: a - 1, (x,))

            return torch.cond(self.second > 2.5, small, lambda a: a.exp(), (self.linear(x),))

        return torch.cond(self.first, dense, lambda a: self.linear(a.sin()), (x,)) + 1


X = random_input(2, 4)


@pytest.mark.parametrize(("first", "second"), [(True, 3.0), (True, 2.0), (False, 3.0)])
def test_decisions_that_are_known_leave_one_branch(first, second):
    model = Switched(first, second).eval()
    graph = capture(model, X)
    result = _core.convert(graph)
    assert result.operators.get("IF", 0) == (first and second > 2.5)
    for x in (X, -X):
        with torch.no_grad():
            expected = outputs_of(model(x))
        for error in run_all(result, [x], expected, ("xnnpack", "builtin")):
            assert error.relative <= 1e-5, error
        check_generated(graph, [x], model(x))


CONDITIONALS = {
    "layers": (Choice(), [(X.abs(),), (-X.abs(),)]),
    "nested": (Nested(), [(X.abs(), -X.abs()), (X.abs(), X.abs()), (-X.abs(), X)]),
    "unread": (
        Call(
            lambda x: torch.cond(
                x.sum() > 0, lambda a: (a.exp(), a.sin()), lambda a: (a.cos(), a * 3), (x,)
            )[1]
        ),
        [(X.abs(),), (-X.abs(),)],
    ),
    "images": (Images(), [(random_input(1, 3, 6, 5),), (5 * random_input(1, 3, 6, 5, seed=2),)]),
    "predicate_given": (
        Call(lambda p, x: torch.cond(p, lambda a: a.sin(), lambda a: a.cos(), (x,))),
        [(torch.tensor(True), X), (torch.tensor(False), X)],
    ),
    "constants_returned": (
        Call(
            lambda x: torch.cond(
                x[0, 0] > 0, lambda a: torch.ones(3) + 0 * a[0, :3], lambda a: a[0, 1:] * 2, (x,)
            )
        ),
        [(X.abs(),), (-X.abs(),)],
    ),
}


@pytest.mark.parametrize("name", CONDITIONALS)
def test_conditional(name):
    model, cases = CONDITIONALS[name]
    graph = capture(model, *cases[0])
    generated = load_generated(graph)
    result = _core.convert(graph)
    assert result.operators["IF"] >= 1
    for inputs in cases:
        with torch.no_grad():
            expected = outputs_of(model(*inputs))
            for value, reference in zip(outputs_of(generated(*inputs)), expected, strict=True):
                torch.testing.assert_close(value, reference)
        for error in run_all(result, inputs, expected, ("xnnpack", "builtin", "reference")):
            assert error.relative <= 1e-4, error
        evaluated = graph.evaluate(*[x.numpy() for x in inputs])
        for value, reference in zip(evaluated, expected, strict=True):
            np.testing.assert_allclose(value, reference.numpy(), rtol=1e-4, atol=1e-4)


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, n, x):
        def condition(i, x):
            return i < n

        def body(i, x):
            return i + 1, self.linear(x).tanh()

        return while_loop(condition, body, (torch.zeros((), dtype=torch.int64), x))


def test_loop():
    model = Loop()
    graph = capture(model, torch.tensor(3), X)
    result = _core.convert(graph)
    assert result.operators["WHILE"] == 1
    for steps in (0, 1, 5):
        inputs = (torch.tensor(steps), X)
        expected = [torch.tensor(steps), X]
        with torch.no_grad():
            for _ in range(steps):
                expected[1] = model.linear(expected[1]).tanh()
            check_generated(graph, inputs, tuple(expected))
        for error in run_all(result, inputs, expected):
            assert error.relative <= 1e-4, error
        evaluated = graph.evaluate(*[x.numpy() for x in inputs])
        np.testing.assert_allclose(evaluated[1], expected[1].numpy(), rtol=1e-4, atol=1e-4)


class Unsupported(nn.Module):
    def forward(self, x):
        def special(a):
            return torch.special.i0(a)

        return torch.cond(x.sum() > 0, special, lambda a: a * 2, (x,))


def test_what_a_branch_cannot_do_is_named_with_its_line():
    with pytest.raises(tinyml.Error, match=r"i0(.|\n)*test_convert_control_flow.py"):
        _core.convert(capture(Unsupported(), random_input(3, 3)))
