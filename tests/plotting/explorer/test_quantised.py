"""Rows of whole numbers: how far from the truth, and that nothing is where nothing was."""

import numpy as np
import pytest

from minisora.plotting.explorer.quantised import largest_whole, pack, pack_places, unpack, unpack_places

SHAPE = 3, 7, 11


@pytest.mark.parametrize("bits, signed", [(8, False), (16, False), (8, True), (16, True)])
def test_no_number_is_off_by_more_than_half_a_step(rng, bits, signed):
    rows = rng.normal(size=SHAPE) * 10.0 ** rng.integers(-30, 3, (*SHAPE[:2], 1))
    rows = rows if signed else np.abs(rows)
    rows[1, 2] = 0
    found = unpack(pack(rows, bits, signed=signed), SHAPE, bits, signed=signed)
    largest = np.abs(rows).max(axis=-1, keepdims=True)
    allowed = (0.5 + 1e-2) * largest / largest_whole(bits, signed)  # the scale itself is a float32
    assert (np.abs(found - rows) <= allowed).all()
    assert np.abs(found - rows).max() > 0 and not found[1, 2].any()


def test_an_answer_of_one_token_or_none(rng):
    rows = np.ones((2, 1, 1))
    np.testing.assert_allclose(unpack(pack(rows, 8), rows.shape, 8), rows, rtol=1e-6)
    assert unpack(pack(np.ones((2, 3, 0)), 8), (2, 3, 0), 8).shape == (2, 3, 0)


def test_means_stand_beside_the_rows(rng):
    rows, means = rng.normal(size=SHAPE), rng.normal(size=SHAPE[:2])
    found, beside = unpack(pack(rows, 16, signed=True, means=means), SHAPE, 16, signed=True, means=True)
    np.testing.assert_allclose(beside, means, rtol=1e-7)
    np.testing.assert_allclose(found, rows, atol=np.abs(rows).max() / 60_000)


def test_places(rng):
    places = rng.integers(0, 512, SHAPE)
    np.testing.assert_array_equal(unpack_places(pack_places(places), (3, 7, -1)), places)


def test_zeros_take_no_room(rng):
    rows = np.zeros((4, 64, 64))
    rows[:, :8] = np.abs(rng.normal(size=(4, 8, 64)))
    assert len(pack(rows, 8)) < 0.25 * 4 * 64 * 64
