"""LayerNorm by hand, and at its edges."""

import numpy as np
import pytest

from minisora.layers.normalization import LayerNorm


def test_by_hand():
    """The variance is the biased one: of 1 and 3 it is 1."""
    np.testing.assert_array_equal(LayerNorm(2, eps=0.0)(np.array([[1.0, 3.0]], np.float32)), [[-1, 1]])


def test_eps_is_added_to_the_variance():
    out = LayerNorm(2, eps=3.0, dtype=np.float64)(np.array([[1.0, 3.0]]))
    np.testing.assert_array_equal(out, [[-0.5, 0.5]])  # 1 / sqrt(1 + 3), not 1 / (sqrt(1) + 3)


def test_a_constant_vector_maps_to_beta(rng):
    layer = LayerNorm(5, dtype=np.float64)
    layer.gamma.data[:], layer.beta.data[:] = rng.normal(1, 0.5, 5), rng.normal(0, 0.5, 5)
    np.testing.assert_array_equal(layer(np.full((3, 5), 7.0)), np.tile(layer.beta.data, (3, 1)))


def test_gamma_and_beta_do_not_decay():
    assert {name: parameter.decay for name, parameter in LayerNorm(3).parameters()} == {"gamma": False, "beta": False}


def test_it_begins_as_the_plain_normalisation_in_float32():
    layer = LayerNorm(3)
    np.testing.assert_array_equal(layer.gamma.data, np.ones(3, np.float32), strict=True)
    np.testing.assert_array_equal(layer.beta.data, np.zeros(3, np.float32), strict=True)
    assert layer.eps == 1e-5


def test_a_wrong_width_is_refused():
    with pytest.raises(ValueError, match=r"^LayerNorm expects 3 values"):
        LayerNorm(3)(np.zeros((2, 4)))
