"""Dropout's masks: frozen, uniform, uncorrelated, a function of the key alone; and what sampling draws by."""

import numpy as np
import pytest

from minisora.kernels import DropoutKey, child, keep_mask
from minisora.kernels.random import mix32, mix64, row_hashes, uniforms


def test_splitmix64_gives_the_published_first_outputs():
    """The generator seeded with 1234567, as its author's reference program prints it."""
    golden, state, outputs = 0x9E3779B97F4A7C15, 1234567, []
    for _ in range(3):
        outputs.append(mix64(state))
        state = (state + golden) % 2**64
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_row_hashes_are_the_low_halves_of_splitmix64_from_the_key():
    key = DropoutKey(17).child("a")
    base = mix64(17 ^ mix64(key.path))
    expected = [mix64((base + row * 0x9E3779B97F4A7C15) % 2**64) & 0xFFFFFFFF for row in range(5)]
    assert row_hashes(key, 0, 5, np).tolist() == expected
    assert row_hashes(key, 3, 5, np).tolist() == expected[3:]


def test_frozen_vectors():
    """These bits may never change: every backend, and every resumed training, relies on them."""
    key = DropoutKey(7).child("attention").child(3)
    assert key.path == 0x99B500F837D0C805
    rows = ["".join(map(str, row)) for row in keep_mask(0.4, key, (3, 24), np).astype(int)]
    assert rows == [
        "111110100011111010011010",
        "011010000000111000101100",
        "001111111110111001111011",
    ]


def mix32_of_one(x):
    x = ((x ^ (x >> 16)) * 0x7FEB352D) % 2**32
    x = ((x ^ (x >> 15)) * 0x846CA68B) % 2**32
    return x ^ (x >> 16)


def test_mix32_bit_by_bit():
    """A mask shows little more than the high bits; every backend must have the low ones too."""
    values = [0, 1, 2, 0xDEADBEEF, 0xFFFFFFFF, *(1 << bit for bit in range(32))]
    x, scratch = np.array(values, np.uint32), np.empty(len(values), np.uint32)
    assert mix32(x, scratch) is x
    assert x.tolist() == [mix32_of_one(value) for value in values]


def test_element_by_element_formula():
    key, p = DropoutKey(99).child("x"), 0.3
    mask = keep_mask(p, key, (2, 3, 7), np)
    assert mask.dtype == bool
    hashes = row_hashes(key, 0, 6, np).tolist()
    expected = [[mix32_of_one(row ^ (s * 0x9E3779B1 % 2**32)) >= int(p * 2**32) for s in range(7)] for row in hashes]
    np.testing.assert_array_equal(mask.reshape(6, 7), expected)


def test_the_mask_does_not_depend_on_how_many_rows_are_made_at_once():
    key = DropoutKey(1)
    long = keep_mask(0.5, key, (3001, 67), np)
    np.testing.assert_array_equal(long[:5], keep_mask(0.5, key, (5, 67), np))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_uniform_over_elements_rows_and_columns(p):
    mask = keep_mask(p, DropoutKey(3).child("u"), (1009, 1013), np)
    sigma = np.sqrt(p * (1 - p))
    assert abs(mask.mean() - (1 - p)) <= 5 * sigma / np.sqrt(mask.size)
    assert np.abs(mask.mean(axis=0) - (1 - p)).max() <= 5.5 * sigma / np.sqrt(1009)
    assert np.abs(mask.mean(axis=1) - (1 - p)).max() <= 5.5 * sigma / np.sqrt(1013)


def test_neighbours_rows_and_keys_are_uncorrelated():
    def correlation(a, b):
        return abs(np.mean((a - 0.5) * (b - 0.5))) * 4 * np.sqrt(a.size)  # standard deviations

    key = DropoutKey(11)
    a = keep_mask(0.5, key.child(1), (701, 709), np).astype(float)
    b = keep_mask(0.5, key.child(2), (701, 709), np).astype(float)
    c = keep_mask(0.5, DropoutKey(12).child(1), (701, 709), np).astype(float)
    assert correlation(a, b) < 4
    assert correlation(a, c) < 4
    for shift in (1, 2, 4, 16):
        assert correlation(a[:, shift:], a[:, :-shift]) < 4
        assert correlation(a[shift:], a[:-shift]) < 4


def test_children_differ_by_name_and_by_type():
    key = DropoutKey(5)
    paths = {key.child(name).path for name in ("a", "b", 1, "1", 2)} | {key.child("a").child("b").path, key.path}
    assert len(paths) == 7
    assert key.child("a") == DropoutKey(5).child("a")


def test_numpys_integers_are_integers():
    assert DropoutKey(np.int64(-5)).child(np.int64(3)) == DropoutKey(-5).child(3)
    assert keep_mask(0.5, DropoutKey(np.int64(-5)), (3, 5), np).shape == (3, 5)


def test_no_key_has_no_children():
    assert child(None, "a") is None
    assert child(DropoutKey(1), "a") == DropoutKey(1).child("a")


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_a_probability_out_of_range_is_refused(p):
    with pytest.raises(ValueError, match="dropout probability"):
        keep_mask(p, DropoutKey(1), (2, 3), np)


def test_empty_shapes():
    assert keep_mask(0.5, DropoutKey(1), (0, 5), np).shape == (0, 5)
    assert keep_mask(0.5, DropoutKey(1), (3, 0), np).shape == (3, 0)


def test_the_numbers_of_a_key():
    """All their bits count, and they do not repeat from key to key or step to step."""
    numbers = np.array([uniforms(DropoutKey(3).child(i), 101) for i in range(101)])
    assert 0 <= numbers.min() < 1e-3 and 1 - 1e-3 < numbers.max() < 1
    assert len(np.unique(numbers)) == numbers.size
    assert abs(numbers.mean() - 0.5) < 0.01 and abs(numbers.var() - 1 / 12) < 0.003
    assert np.abs(np.corrcoef(numbers[:-1].ravel(), numbers[1:].ravel())[0, 1]) < 0.03
    np.testing.assert_array_equal(numbers * 2**52 % 1, 0)
    np.testing.assert_array_equal(uniforms(DropoutKey(3), 7), uniforms(DropoutKey(3), 11)[:7])


def test_the_numbers_of_a_key_are_frozen():
    """The same text for the same seed, on every machine and in every version."""
    expected = [0.39083615261847116, 0.06847359346279736, 0.5688160824735353]
    np.testing.assert_array_equal(uniforms(DropoutKey(0).child("generation"), 3), expected)
