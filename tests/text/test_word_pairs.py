"""Cosines, neighbours, and the correlation with people's judgement."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisora.text.word_pairs import evaluate, ranks, read_word_pairs, spearman
from minisora.text.word_vectors import WordVectors

VECTORS = WordVectors("east north northeast west none".split(), [[2, 0], [0, 3], [1, 1], [-1, 0], [0, 0]])


def test_cosines_and_neighbours():
    np.testing.assert_allclose(VECTORS.similarity("east", "northeast"), 0.5**0.5)
    nearest = VECTORS.nearest("east", 3)
    assert [word for word, _ in nearest] == ["northeast", "north", "none"]
    np.testing.assert_allclose([cosine for _, cosine in nearest], [0.5**0.5, 0, 0])
    np.testing.assert_array_equal(VECTORS["north"], [0, 3])
    assert len(VECTORS.nearest("east", 99)) == 4 and "east" in VECTORS and "south" not in VECTORS and len(VECTORS) == 5


def test_what_is_no_word_vectors():
    with pytest.raises(ValueError, match="expected one of the 5 words that have a vector, got 'south'"):
        VECTORS.nearest("south")
    with pytest.raises(ValueError, match=r"a vector for each of 1 words is expected, got \(2, 1\)"):
        WordVectors(["a"], [[1.0], [2.0]])
    with pytest.raises(ValueError, match="finite"):
        WordVectors(["a"], [[np.nan]])
    with pytest.raises(ValueError, match="each word is expected once"):
        WordVectors(["a", "a"], [[1.0], [2.0]])


def test_ranks_share_ties():
    np.testing.assert_array_equal(ranks(np.array([3.0, 1.0, 3.0, 2.0, 3.0])), [4, 1, 4, 2, 4])
    assert ranks(np.empty(0)).shape == (0,)


def test_spearman_by_hand():
    x = np.array([1.0, 2.0, 3.0])
    assert spearman(x, x**3) == 1 and spearman(x, -x) == -1
    np.testing.assert_allclose(spearman(x, np.array([1.0, 3.0, 2.0])), 0.5)
    for undefined in (np.ones(3), x):
        assert np.isnan(spearman(np.ones(3), undefined))
    assert np.isnan(spearman(np.empty(0), np.empty(0)))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30))
def test_spearman_is_scipys(points):
    stats = pytest.importorskip("scipy.stats")
    x, y = np.array(points, np.float64).T
    if np.ptp(x) and np.ptp(y):
        np.testing.assert_allclose(spearman(x, y), stats.spearmanr(x, y).statistic, atol=1e-12)


def test_agreement_tells_what_is_covered(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("# a b score\nEast northeast 9\n\neast\tNORTH\t3.5\neast west -1\neast south 2\n", encoding="utf-8")
    pairs = read_word_pairs(path)
    assert pairs.pairs[1] == ("east", "NORTH") and pairs.scores.tolist() == [9, 3.5, -1, 2]
    assert evaluate(VECTORS, pairs) == (1.0, 3, 4)


@pytest.mark.parametrize("line", ["east west", "east west much", "a b c 1", "a b nan"])
def test_malformed_pairs(tmp_path, line):
    path = tmp_path / "pairs.txt"
    path.write_text(f"a b 1\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=f"pairs.txt:2: two words and a number are expected, got '{line}'"):
        read_word_pairs(path)


def test_files_that_are_no_pairs(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="got none"):
        read_word_pairs(path)
    path.write_bytes(b"a b \xff")
    with pytest.raises(ValueError, match="UTF-8, byte 4"):
        read_word_pairs(path)
