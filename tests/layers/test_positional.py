"""Positions: the formula, number by number, and the offset of decoding."""

import math

import numpy as np
import pytest

from minisora.layers.positional import LearnedPositions, SinusoidalPositions, sinusoidal_table


@pytest.mark.parametrize("d_model", [6, 7])
def test_the_formula(d_model):
    """P[t, 2i] = sin(t / 10000^(2i/D)), P[t, 2i+1] = cos(t / 10000^(2i/D)): the base is 10000, and sine comes first."""
    table = SinusoidalPositions(d_model)(np.zeros((1, 11, d_model)))[0]
    for t in range(11):
        for column in range(d_model):
            angle = t / 10000 ** ((column - column % 2) / d_model)
            assert table[t, column] == pytest.approx(math.cos(angle) if column % 2 else math.sin(angle), abs=1e-15)


@pytest.mark.parametrize("kind", [lambda rng: SinusoidalPositions(6), lambda rng: LearnedPositions(13, 6, rng)])
def test_the_offset_is_where_the_first_vector_stands(rng, kind):
    layer, x = kind(rng), rng.normal(size=(2, 7, 6))
    out, cache = layer.forward(x[:, 3:5], offset=3)
    np.testing.assert_array_equal(layer(x)[:, 3:5], out)
    assert cache.offset == 3


def test_decoding_step_by_step_shares_a_few_tables():
    sinusoidal_table.cache_clear()
    for t in range(100):
        SinusoidalPositions(6)(np.zeros((1, 1, 6)), offset=t)
    assert sinusoidal_table.cache_info().currsize == 8


def test_float32_stays_float32(rng):
    assert SinusoidalPositions(6)(np.zeros((1, 3, 6), np.float32)).dtype == np.float32
    assert LearnedPositions(5, 6, rng)(np.zeros((1, 3, 6), np.float32)).dtype == np.float32


def test_learned_positions_begin_small_and_do_not_decay(rng):
    table = LearnedPositions(997, 64, rng).table
    assert table.data.std() == pytest.approx(0.02, rel=0.02)
    assert table.data.mean() == pytest.approx(0, abs=1e-3)
    assert table.decay is False


@pytest.mark.parametrize("name", ["SinusoidalPositions", "LearnedPositions"])
def test_a_wrong_width_is_refused(rng, name):
    layer = SinusoidalPositions(6) if name == "SinusoidalPositions" else LearnedPositions(5, 6, rng)
    with pytest.raises(ValueError, match=f"^{name} expects 6 values"):
        layer(np.zeros((1, 3, 7)))


def test_sinusoidal_positions_have_no_state():
    assert list(SinusoidalPositions(6).parameters()) == []


def test_learned_positions_take_the_gradient_of_their_rows(rng):
    layer = LearnedPositions(5, 3, rng, dtype=np.float64)
    x, dout = rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 2, 3))
    _, cache = layer.forward(x, offset=2)
    np.testing.assert_array_equal(layer.backward(dout, cache), dout)
    np.testing.assert_allclose(layer.table.grad[2:4], dout.sum(axis=0))
    assert (layer.table.grad[[0, 1, 4]] == 0).all()


def test_beyond_the_last_position_is_refused(rng):
    with pytest.raises(ValueError, match="has 5 positions, got a sequence that reaches position 6"):
        LearnedPositions(5, 3, rng)(np.zeros((1, 3, 3)), offset=3)
    assert LearnedPositions(5, 3, rng)(np.zeros((1, 2, 3)), offset=3).shape == (1, 2, 3)  # the last one is there
