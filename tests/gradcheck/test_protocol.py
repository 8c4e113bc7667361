"""The promises of the layer protocol, each broken once."""

import re

import numpy as np
import pytest

from minisora.gradcheck import FunctionPair, Probe, check
from minisora.kernels import DropoutKey
from minisora.layers.dropout import Dropout
from minisora.layers.layer import Layer, Parameter
from minisora.layers.linear import Linear


class Assigning(Linear):
    def backward(self, dout, cache):
        self.weight.grad = np.zeros_like(self.weight.grad)
        return super().backward(dout, cache)


class Forgetful(Linear):
    """Writes to its cache."""

    def backward(self, dout, cache):
        dx = super().backward(dout, cache)
        cache.x[...] *= 2
        return dx

    def forward(self, x, *, key=None):
        return super().forward(x.copy())


class Greedy(Linear):
    """Writes to its input."""

    def forward(self, x, *, key=None):
        out = super().forward(x)
        x += 1e-9
        return out


class Selfish(Linear):
    """Writes to the upstream gradient."""

    def backward(self, dout, cache):
        dx = super().backward(dout, cache)
        dout *= 0
        return dx


class Narrow(Linear):
    def backward(self, dout, cache):
        return super().backward(dout, cache).astype(np.float32)


class Fickle(Linear):
    """A generator instead of a key."""

    rng = np.random.default_rng(0)

    def forward(self, x, *, key=None):
        out, cache = super().forward(x)
        return out * (1 + 1e-3 * self.rng.random()), cache


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (Assigning, "does not double the gradient of weight: it must add, not assign"),
        (Forgetful, "two different results for weight: it must not write to its cache"),
        (Greedy, "forward or backward changed x"),
        (Selfish, "forward or backward changed dout"),
        (Narrow, r"the gradient of x must be float64 \(3, 5\), got float32"),
        (Fickle, "forward gives two different results for the same inputs"),
    ],
)
def test_a_broken_promise_is_named(kind, problem):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 5))
    assert check(Probe(Linear(5, 7, rng, bias=False, dtype=np.float64), {"x": x})).passed
    result = check(Probe(kind(5, 7, rng, bias=False, dtype=np.float64), {"x": x}))
    assert not result.passed
    assert any(re.search(problem, found) for found in result.problems), result.problems
    assert problem.split("(")[0].split("\\")[0] in str(result)


def test_a_mask_that_is_kept_in_the_layer_is_found():
    """What one Dropout object used twice does: backward takes the mask of the later call."""

    class Stateful(Dropout):
        def forward(self, x, *, key=None):
            out, cache = super().forward(x, key=key)
            self.latest = cache
            return out, cache

        def backward(self, dout, cache):
            return super().backward(dout, self.latest)

    x = np.random.default_rng(0).normal(size=(3, 5))
    assert check(Probe(Dropout(0.3), {"x": x}, key=DropoutKey(1))).passed
    result = check(Probe(Stateful(0.3), {"x": x}, key=DropoutKey(1)))
    assert result.largest_relative_error > 0.1


def problems_of(pair, **inputs):
    return check(Probe(pair, {name: np.asarray(value) for name, value in inputs.items()})).problems


def test_gradients_that_share_memory_are_a_problem(rng):
    pair = FunctionPair(lambda x, y: (x + y, None), lambda dout, cache: (dout, dout))
    assert "the gradients of x and y share memory" in problems_of(
        pair, x=rng.normal(size=(3, 5)), y=rng.normal(size=(3, 5))
    )
    copied = FunctionPair(lambda x, y: (x + y, None), lambda dout, cache: (dout, dout.copy()))
    assert problems_of(copied, x=rng.normal(size=(3, 5)), y=rng.normal(size=(3, 5))) == ()


def test_a_gradient_in_the_memory_of_an_input_is_a_problem(rng):
    def backward(dout, x):
        x *= 2 * dout  # the input is changed, and handed out as the gradient
        return x

    problems = problems_of(FunctionPair(lambda x: (x * x, x), backward), x=rng.normal(size=(3, 5)))
    assert "the gradient of x shares memory with x" in problems
    assert "forward or backward changed x" in problems


def test_an_output_in_the_memory_of_a_parameter_is_a_problem(rng):
    class Constant(Layer):
        def __init__(self):
            self.weight = Parameter(rng.normal(size=(3, 5)))

        def forward(self, x, *, key=None):
            return self.weight.data, x

        def backward(self, dout, cache):
            self.weight.grad += dout
            return np.zeros_like(cache)

    assert "the output shares memory with weight" in check(Probe(Constant(), {"x": rng.normal(size=(3, 5))})).problems
