"""The complex step: 15 digits on analytic layers, and a plain word about the others."""

import numpy as np
import pytest

from minisora.gradcheck import FunctionPair, Probe, check, named_checks
from minisora.gradcheck.complex_step import NotAnalytic
from minisora.layers.activation import ReLU


def pair_of(f, derivative):
    return FunctionPair(lambda x: (f(x), x), lambda dout, x: dout * derivative(x))


def probe_of(f, derivative, seed=0):
    return Probe(pair_of(f, derivative), {"x": np.random.default_rng(seed).normal(size=(3, 5))})


@pytest.mark.parametrize("name", [c.name for c in named_checks() if c.layer != "SoraModel"])
def test_every_layer_of_ours_is_right_to_fourteen_digits(name):
    (named,) = named_checks(name)
    result = named.run(mode="complex", entries=5)
    assert result.passed
    assert result.mode == "complex"
    assert result.largest_relative_error < 1e-13


def test_the_whole_model_is_right_to_thirteen_digits():
    (named,) = named_checks("SoraModel/pre-tie-all-entries")
    assert named.run(mode="complex", entries=2).largest_relative_error < 1e-12


NOT_ANALYTIC = {
    "abs": (np.abs, np.sign),
    "real": (lambda x: x.real * x.real, lambda x: 2 * x),
    "conj": (lambda x: x * np.conj(x), lambda x: 2 * x),
    "float": (lambda x: x * np.asarray(x, np.float64), lambda x: 2 * x),
    "no complex": (lambda x: x * np.cbrt(x), lambda x: 4 / 3 * np.cbrt(x)),
    "another branch": (lambda x: x * 3 if x.dtype.kind == "c" else x * 2, lambda x: 2 * np.ones_like(x)),
}


@pytest.mark.parametrize("name", NOT_ANALYTIC)
def test_a_layer_that_is_not_analytic_says_so_and_auto_does_without(name):
    with pytest.raises(NotAnalytic, match="FunctionPair is not analytic as it is written"):
        check(probe_of(*NOT_ANALYTIC[name]), mode="complex")
    result = check(probe_of(*NOT_ANALYTIC[name]), mode="auto")
    assert result.mode == "central"
    assert result.passed, str(result)


def test_afterwards_the_layer_is_real_again():
    (named,) = named_checks("LayerNorm/rows")
    probe = named.build(np.random.default_rng(0))
    before = {name: value.copy() for name, value in probe.variables.items()}
    check(probe, mode="complex")
    for name, value in probe.variables.items():
        assert value.dtype == np.float64
        np.testing.assert_array_equal(value, before[name])
    assert all(parameter.data.dtype == np.float64 for _, parameter in probe.layer.parameters())


def test_a_wrong_derivative_is_found():
    result = check(probe_of(np.sin, lambda x: np.cos(x) * 1.001), mode="complex")
    assert not result.passed
    assert result.tensors[0].scale == pytest.approx(1.001, rel=1e-12)


def test_a_relu_at_its_kink_agrees_by_its_own_choice_of_slope_or_is_skipped():
    x = np.random.default_rng(0).normal(size=(3, 5))
    x[1, 2] = 0.0
    assert check(Probe(ReLU(), {"x": x}), mode="complex").passed
    other = pair_of(lambda x: x * (x.real > 0), lambda x: 1.0 * (x >= 0))  # the other slope at 0
    result = check(Probe(other, {"x": x}), mode="complex")
    assert result.passed
    assert (result.tensors[0].compared, result.tensors[0].skipped) == (14, 1)


def test_auto_samples_a_large_layer_and_looks_along_a_direction():
    pair = pair_of(np.sin, np.cos)
    result = check(Probe(pair, {"x": np.random.default_rng(0).normal(size=(211, 101))}), mode="auto")
    assert result.mode == "complex and directional"
    assert [(tensor.name, tensor.compared) for tensor in result.tensors] == [("x", 32), ("all together", 21311)]
