"""What a page holds: counted by hand, and within its bounds."""

import numpy as np
import pytest

from minisora.plotting.explorer.budget import FINE, KEPT, Budget, Sizes, largest_of_rows, make_budget

SIZES = Sizes(encoder_layers=2, decoder_layers=3, heads=5, source=7, target=11)
LOSSES = np.array([0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.5, 0.05, 0.01])


def test_weights_are_counted():
    assert SIZES.weights() == 5 * (2 * 7 * 7 + 3 * (11 * 11 + 11 * 7))


@pytest.mark.parametrize("token", [0, 4, 10])
@pytest.mark.parametrize("kept", [None, 3])
def test_gradients_are_counted(token, kept):
    """Row by row: all of the source's rows, and of the decoder's those up to the token, each up to what it sees."""
    count = 0
    for _ in range(5):
        for _ in range(2):
            count += sum(min(7, kept or 7) for _ in range(7))
        for _ in range(3):
            count += sum(min(row + 1, kept or 11) + min(7, kept or 7) for row in range(token + 1))
    assert SIZES.gradients(token, kept) == count


def test_all_of_a_short_answer():
    assert make_budget(SIZES, LOSSES) == Budget(16, None, list(range(11)))


def test_the_least_certain_tokens_come_first():
    whole = SIZES.gradients(10)
    most = whole + SIZES.gradients(1) + SIZES.gradients(3)
    assert make_budget(SIZES, LOSSES, gradients=most).tokens == [1, 3]
    assert make_budget(SIZES, LOSSES, gradients=most - 1).tokens == [1, 2]  # what is smaller may still fit
    assert make_budget(SIZES, LOSSES, gradients=1).tokens == []


def test_tokens_that_are_wanted_are_there():
    assert make_budget(SIZES, LOSSES, tokens=[9, 2, 9], gradients=1).tokens == [2, 9]


def test_no_gradients():
    assert make_budget(SIZES, LOSSES, gradients=0) == Budget(16, None, [])


def test_long_texts_have_fewer_bits_and_thinned_rows():
    sizes = Sizes(4, 4, 5, 128, 128)
    assert sizes.weights() < FINE
    assert make_budget(sizes, np.zeros(128))[:2] == (8, None)
    assert make_budget(Sizes(4, 4, 5, 512, 512), np.zeros(512), gradients=0)[:2] == (8, KEPT)


def test_the_largest_weights_of_a_row(rng):
    weights = rng.permuted(np.tile(np.arange(13.0), (2, 5, 1)), axis=-1)
    places = largest_of_rows(weights, 4)
    assert (np.diff(places) > 0).all()
    found = np.take_along_axis(weights, places, axis=-1)
    np.testing.assert_array_equal(np.sort(found), np.broadcast_to([9.0, 10, 11, 12], found.shape))
    assert largest_of_rows(weights, 13) is None and largest_of_rows(weights, None) is None
