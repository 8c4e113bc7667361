"""Dropout as a layer: the key decides."""

import numpy as np
import pytest

from minisora.kernels import DropoutKey, keep_mask
from minisora.layers.dropout import Dropout


def test_survivors_are_scaled_and_backward_uses_the_same_mask(rng):
    layer, key = Dropout(0.25), DropoutKey(3).child("d")
    x, dout = rng.normal(size=(5, 7, 11)), rng.normal(size=(5, 7, 11))
    out, cache = layer.forward(x, key=key)
    layer.forward(x, key=key.child("a later call"))  # one layer, used twice: each cache has its own key
    factor = keep_mask(0.25, key, x.shape, np) / 0.75
    np.testing.assert_allclose(out, x * factor, rtol=1e-15)
    np.testing.assert_allclose(layer.backward(dout, cache), dout * factor, rtol=1e-15)


def test_the_mean_stays():
    out, _ = Dropout(0.3).forward(np.ones((1009, 101)), key=DropoutKey(1))
    assert out.mean() == pytest.approx(1, abs=0.01)


def test_without_a_key_nothing_is_dropped(rng):
    x = rng.normal(size=(3, 5))
    np.testing.assert_array_equal(Dropout(0.5)(x), x)
    assert Dropout(0.0).forward(x, key=DropoutKey(1))[0] is x


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_a_probability_out_of_range_is_refused(p):
    with pytest.raises(ValueError, match="dropout probability"):
        Dropout(p)
