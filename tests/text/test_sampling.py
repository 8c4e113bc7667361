"""Counting words, leaving out frequent ones, and drawing noise."""

import numpy as np
import pytest

from minisora.text.noise import alias_table, noise_distribution
from minisora.text.subsampling import keep_probabilities
from minisora.text.word_counts import LONGEST, count_words, encode_words, read_sentences


def test_words_by_frequency_then_alphabet():
    words, counts = count_words([["b", "a", "c"], ["c", "b"], ["d"]], 1)
    assert words == ("b", "c", "a", "d")
    np.testing.assert_array_equal(counts, [2, 2, 1, 1])
    assert count_words([["b", "a", "c"], ["c", "b"]], 2).words == ("b", "c")


def test_a_text_as_numbers():
    text = encode_words([["b", "x", "c"], ["x"], ["c"]], ("b", "c"))
    np.testing.assert_array_equal(text.ids, [0, 1, 1])
    np.testing.assert_array_equal(text.starts, [0, 2, 3])


def test_a_text_without_line_ends_is_cut():
    text = encode_words([["b"] * (2 * LONGEST + 1), ["b"] * LONGEST], ("b",))
    np.testing.assert_array_equal(np.diff(text.starts), [LONGEST, LONGEST, 1, LONGEST])


def test_too_few_words():
    with pytest.raises(ValueError, match="at least two words that occur 5 times are expected in the text, got 1"):
        count_words([["a"] * 5 + ["b"] * 4])
    with pytest.raises(ValueError, match="a sentence is expected as a list of words, got the string 'a b'"):
        count_words(["a b"])


def test_reading_sentences(tmp_path):
    (tmp_path / "text").write_bytes("\ufeffKäse und\tBrot\r\n\n  \nx\n".encode())
    assert read_sentences(tmp_path / "text") == [["Käse", "und", "Brot"], ["x"]]
    (tmp_path / "text").write_bytes(b"ab\xff")
    with pytest.raises(ValueError, match="text is expected in UTF-8, byte 2 is not"):
        read_sentences(tmp_path / "text")


def test_subsampling_by_hand():
    """Shares 0.9 and 0.1, t = 0.1: sqrt(1 / 9), and everything."""
    np.testing.assert_allclose(keep_probabilities(np.array([90, 10]), 0.1), [1 / 3, 1])
    np.testing.assert_array_equal(keep_probabilities(np.array([90, 10]), 0), [1, 1])


def test_noise_by_hand():
    np.testing.assert_allclose(noise_distribution(np.array([16, 1])), [8 / 9, 1 / 9])


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_an_alias_table_holds_the_distribution(size):
    probabilities = np.random.default_rng(size).dirichlet(np.full(size, 0.3))
    thresholds, aliases = alias_table(probabilities)
    own = thresholds / 2**32 / size
    found = own + np.bincount(aliases, 1 / size - own, size)
    np.testing.assert_allclose(found, probabilities, atol=1e-9)
