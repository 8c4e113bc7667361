"""The checker on itself: right layers pass, a gradient wrong by 0.1 % in one entry does not."""

from typing import NamedTuple

import numpy as np
import pytest

from minisora.gradcheck import MODES, FunctionPair, Probe, check
from minisora.layers.activation import ReLU
from minisora.layers.layer import Layer, Parameter


class Cache(NamedTuple):
    x: np.ndarray
    out: np.ndarray


class Bent(Layer):
    """out = tanh(x W + b): the smallest layer with an input, a matrix and a vector."""

    def __init__(self, d_in, d_out, rng):
        self.weight = Parameter(rng.normal(size=(d_in, d_out)))
        self.bias = Parameter(rng.normal(size=d_out))

    def forward(self, x, *, key=None):
        out = np.tanh(x @ self.weight.data + self.bias.data)
        return out, Cache(x, out)

    def backward(self, dout, cache):
        dsum = dout * (1 - cache.out**2)
        self.weight.grad += cache.x.T @ dsum
        self.bias.grad += dsum.sum(axis=0)
        return dsum @ self.weight.data.T


def slightly_wrong(name):
    """Return a Bent whose gradient of one tensor is off by 0.1 % in one entry, of at least its root mean square."""

    class Wrong(Bent):
        def backward(self, dout, cache):
            before = {"weight": self.weight.grad.copy(), "bias": self.bias.grad.copy()}
            dx = super().backward(dout, cache)
            gradients = {"x": dx, "weight": self.weight.grad, "bias": self.bias.grad}
            gradient = gradients[name]
            own = gradient - before.get(name, 0)
            index = np.argmin(np.where(np.abs(own) >= np.sqrt((own**2).mean()), np.abs(own), np.inf))
            gradient.flat[index] += 0.001 * own.flat[index]
            return dx

    return Wrong


def bent_probe(kind, seed):
    rng = np.random.default_rng(seed)
    return Probe(kind(5, 7, rng), {"x": rng.normal(size=(3, 5))})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["x", "weight", "bias"])
def test_a_tenth_of_a_percent_in_one_entry_is_found(mode, name):
    for seed in range(10):
        assert check(bent_probe(Bent, seed), mode=mode, seed=seed).passed
        wrong = check(bent_probe(slightly_wrong(name), seed), mode=mode, seed=seed)
        assert not wrong.passed
        assert wrong.problems == ()


@pytest.mark.parametrize("name", ["x", "weight", "bias"])
def test_the_wrong_entry_is_named_with_both_values(name):
    probe = bent_probe(slightly_wrong(name), 0)
    result = check(probe)
    assert result.worst.name == name
    assert [tensor.name for tensor in result.tensors if tensor.error > result.tolerance] == [name]
    assert result.worst.analytic == pytest.approx(1.001 * result.worst.numerical, rel=1e-8)


def test_sampled_entries_find_a_gradient_that_is_wrong_everywhere():
    class Halved(Bent):
        def backward(self, dout, cache):
            return super().backward(dout, cache) / 2

    result = check(bent_probe(Halved, 0), entries=2)
    assert [tensor.compared for tensor in result.tensors] == [2, 2, 2]
    assert result.worst.name == "x"
    assert result.largest_relative_error == pytest.approx(0.5, abs=0.5)


def test_every_entry_is_compared():
    result = check(bent_probe(Bent, 0))
    assert {tensor.name: tensor.compared for tensor in result.tensors} == {"x": 15, "weight": 35, "bias": 7}


def test_random_right_layers_give_no_false_alarm():
    for seed in range(200):
        for mode in MODES:
            result = check(bent_probe(Bent, seed), mode=mode, seed=seed)
            assert result.passed, str(result)


@pytest.mark.parametrize("mode", ["central", "directional"])
def test_a_relu_at_its_kink_is_skipped_and_counted(mode):
    x = np.random.default_rng(0).normal(size=(3, 5))
    x[1, 2] = x[2, 4] = 0.0
    result = check(Probe(ReLU(), {"x": x}), mode=mode)
    if mode == "central":
        assert result.passed
        assert (result.tensors[0].compared, result.tensors[0].skipped) == (13, 2)
    else:  # every direction goes through it
        assert not result.passed
        assert result.tensors[0].compared == 0


def test_near_its_kink_a_relu_is_still_compared():
    x = np.random.default_rng(0).normal(size=(3, 5))
    x[0, :3] = 1e-4, -2e-5, 3e-6  # the last inside the first step
    result = check(Probe(ReLU(), {"x": x}))
    assert result.passed
    assert result.tensors[0].compared + result.tensors[0].skipped == 15
    assert result.tensors[0].skipped <= 1


def test_a_kink_does_not_excuse_the_other_entries():
    class Leaky(ReLU):
        def backward(self, dout, cache):
            return dout * np.where(cache.x > 0, 1.0, 0.001)

    x = np.random.default_rng(0).normal(size=(3, 5))
    x[1, 2] = 0.0
    assert not check(Probe(Leaky(), {"x": x})).passed


def test_all_entries_on_kinks_prove_nothing():
    class Steps(Layer):
        """A kink at every entry, wherever it is put."""

        def __init__(self, x):
            self.start = x.copy()

        def forward(self, x, *, key=None):
            return np.abs(x - self.start), None

        def backward(self, dout, cache):
            return dout

    x = np.random.default_rng(0).normal(size=(3, 5))
    result = check(Probe(Steps(x), {"x": x}))
    assert not result.passed
    assert result.tensors[0].skipped == 15


@pytest.mark.parametrize("mode", ["auto", "central", "complex", "directional"])
@pytest.mark.parametrize("size", [1e-12, 1e-8, 1e-3, 1e3, 1e8, 1e12])
def test_values_of_any_size(mode, size):
    """The step follows the values: sin(x / size) has the same shape whatever x is measured in."""

    def pair(factor):
        return FunctionPair(lambda x: (np.sin(x / size), x), lambda dout, x: factor * dout * np.cos(x / size) / size)

    x = size * np.random.default_rng(0).normal(size=(3, 5))
    assert check(Probe(pair(1), {"x": x}), mode=mode).passed
    wrong = check(Probe(pair(1.001), {"x": x}), mode=mode)
    assert not wrong.passed
    assert wrong.first_wrong_step == "dx"


def test_nothing_to_move_is_refused():
    with pytest.raises(ValueError, match=r"needs entries to move, got 'x' of shape \(0, 5\)"):
        Probe(FunctionPair(lambda x: (x, x), lambda dout, x: dout), {"x": np.zeros((0, 5))})


def test_a_gradient_that_must_vanish_is_measured_against_the_largest():
    class Useless(Layer):
        """A parameter that nothing depends on, under the name of a key bias."""

        def __init__(self, noise):
            self.w_k = Layer()
            self.w_k.bias = Parameter(np.array([1.0, 2.0, 3.0]))
            self.noise = noise

        def forward(self, x, *, key=None):
            return x * 2, None

        def backward(self, dout, cache):
            self.w_k.bias.grad += self.noise
            return dout * 2

    x = np.random.default_rng(0).normal(size=(3, 5))
    assert check(Probe(Useless(1e-15), {"x": x})).passed
    assert not check(Probe(Useless(1e-6), {"x": x})).passed


@pytest.mark.parametrize("bad", [None, np.zeros((5, 3)), np.full((3, 5), np.nan)])
def test_a_gradient_that_cannot_be_compared_fails(bad):
    class Broken(Layer):
        def forward(self, x, *, key=None):
            return x * x, x

        def backward(self, dout, cache):
            return bad

    result = check(Probe(Broken(), {"x": np.random.default_rng(0).normal(size=(3, 5))}))
    assert not result.passed
    assert result.largest_relative_error == 2.0


def test_an_upstream_gradient_of_ones_is_refused():
    with pytest.raises(ValueError, match="random upstream gradient is expected, got 1 everywhere"):
        check(bent_probe(Bent, 0), dout=np.ones((3, 7)))


def test_an_upstream_gradient_of_another_shape_or_dtype_is_refused():
    for dout in (np.zeros((7, 3)), np.zeros((3, 7), np.float32)):
        with pytest.raises(ValueError, match=r"expected as float64 \(3, 7\), got float"):
            check(bent_probe(Bent, 0), dout=dout)


def test_the_upstream_gradient_is_random():
    seen = []

    class Watched(Bent):
        def backward(self, dout, cache):
            seen.append(dout.copy())
            return super().backward(dout, cache)

    check(bent_probe(Watched, 0), seed=1)
    check(bent_probe(Watched, 0), seed=2)
    assert all(np.ptp(dout) > 1 for dout in seen)
    assert not np.array_equal(seen[0], seen[-1])


def test_an_output_that_is_not_finite_is_refused():
    class Broken(Bent):
        def forward(self, x, *, key=None):
            return super().forward(x)[0] * np.nan, None

    with pytest.raises(ValueError, match="needs a finite output"):
        check(bent_probe(Broken, 0))


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="one of auto, central, complex, directional, got 'forward'"):
        check(bent_probe(Bent, 0), mode="forward")


def test_a_result_prints_every_tensor_with_its_worst_entry():
    text = str(check(bent_probe(slightly_wrong("weight"), 0), name="bent"))
    assert text.startswith("bent: FAILED (central, tolerance 1e-08)")
    assert all(name in text for name in ("x ", "weight", "bias", "backward", "numerical"))


def test_gradients_that_are_all_zero_prove_nothing():
    class Deaf(Layer):
        def forward(self, x, *, key=None):
            return np.arange(3.0), None

        def backward(self, dout, cache):
            return np.zeros((3, 5))

    result = check(Probe(Deaf(), {"x": np.random.default_rng(0).normal(size=(3, 5))}))
    assert not result.passed
    assert "every gradient is zero" in result.problems[0]
