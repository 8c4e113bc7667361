"""The few largest of many numbers, against a stable sort."""

import numpy as np
import pytest

from minisora.generation.largest import CHUNK, largest


@pytest.mark.parametrize("width", [1, 5, CHUNK, 3 * CHUNK, 7 * CHUNK + 13, 13 * CHUNK - 1])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("values", [3, 10_000])
def test_it_is_a_stable_sort(width, count, values):
    """With few different values, so that ties stand in many chunks."""
    numbers = np.random.default_rng(width).integers(0, values, (3, width)).astype(np.float32)
    found, places = largest(numbers, min(count, width))
    expected = np.argsort(-numbers, axis=1, kind="stable")[:, :count]
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_array_equal(found, np.take_along_axis(numbers, expected, axis=1))
