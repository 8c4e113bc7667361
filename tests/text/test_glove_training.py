"""Training of GloVe: the counts, that training repeats, and that a planted structure comes back."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from minisora.kernels.threads import at_most
from minisora.text.cooccurrence import Cooccurrences, count_cooccurrences
from minisora.text.glove_training import GloveConfig, GloveTraining, adagrad, train_glove
from minisora.text.word_counts import EncodedText, encode_words

SMALL = GloveConfig(size=16, window=3, min_count=1, epochs=30, x_max=10.0, rate=0.1)


@pytest.mark.parametrize("loss", ["least-squares", "softmax"])
def test_planted_structure_comes_back(planted, structure_found, loss):
    assert structure_found(train_glove(planted, replace(SMALL, loss=loss)))


@pytest.mark.parametrize("loss", ["least-squares", "softmax"])
def test_the_same_numbers_on_every_run(planted, loss):
    config = replace(SMALL, loss=loss, epochs=3)
    first = train_glove(planted, config).vectors
    with at_most(1):
        np.testing.assert_array_equal(first, train_glove(planted, config).vectors)
    assert not np.array_equal(first, train_glove(planted, replace(config, seed=1)).vectors)


def test_sentences_may_come_from_a_generator(planted):
    config = replace(SMALL, epochs=1)
    found = train_glove((sentence for sentence in planted), config)
    np.testing.assert_array_equal(found.vectors, train_glove(planted, config).vectors)


@pytest.mark.parametrize("loss", ["least-squares", "softmax"])
def test_the_loss_falls(loss):
    table = random_table(np.random.default_rng(2))
    losses = GloveTraining(17, table, replace(SMALL, loss=loss)).fit().losses
    assert len(losses) == 30 and losses[-1] < 0.7 * losses[0] and np.all(np.diff(losses) < 0)


def random_table(rng):
    """Counts of 17 words whose logarithms are products of two numbers a word; some are zero."""
    vectors = rng.normal(size=(17, 2))
    counts = np.exp(vectors @ vectors.T + 1) * (rng.random((17, 17)) < 0.8)
    rows, columns = np.nonzero(counts)
    return Cooccurrences(rows.astype(np.int32), columns.astype(np.int32), counts[rows, columns])


def test_counts_by_hand():
    """a b a | b: a-b twice at distance 1, a-a at distance 2, which counts in both directions; nothing across lines."""
    table = count_cooccurrences(encode_words([["a", "b", "a"], ["b"]], ("a", "b")), 2, window=5)
    np.testing.assert_array_equal(table.rows, [0, 0, 1])
    np.testing.assert_array_equal(table.columns, [0, 1, 0])
    np.testing.assert_array_equal(table.counts, [1, 2, 2])
    far = count_cooccurrences(encode_words([["a", "b", "a"], ["b"]], ("a", "b")), 2, window=10**30)
    np.testing.assert_array_equal(far, table)


def test_counts_are_the_definition(monkeypatch):
    """Also where the text is counted in pieces."""
    rng = np.random.default_rng(3)
    ids, starts, window = rng.integers(0, 7, 200).astype(np.int32), np.array([0, 50, 51, 120, 200]), 4
    expected = np.zeros((7, 7))
    for begin, end in pairwise(starts):
        for i in range(begin, end):
            for j in range(max(begin, i - window), min(end, i + window + 1)):
                if i != j:
                    expected[ids[i], ids[j]] += 1 / abs(i - j)
    for piece in (7, 1000):
        monkeypatch.setattr("minisora.text.cooccurrence._WORDS", piece)
        table, found = count_cooccurrences(EncodedText(ids, starts), 7, window), np.zeros((7, 7))
        found[table.rows, table.columns] = table.counts
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_adagrad_by_hand():
    data, squares = np.array([1.0, 1.0], np.float32), np.array([1.0, 0.0], np.float32)
    adagrad(data, squares, np.array([np.sqrt(3), -7.0], np.float32), 0.5)
    np.testing.assert_allclose(squares, [4, 49], rtol=1e-6)
    np.testing.assert_allclose(data, [1 - 0.25 * np.sqrt(3), 1.5], rtol=1e-6)


@pytest.mark.parametrize("name, value", [("size", 0), ("loss", "svd"), ("x_max", 0), ("alpha", None), ("seed", 1.0)])
def test_what_a_config_refuses(name, value):
    with pytest.raises(ValueError, match=f"expected {name} to be .*, got {value!r}"):
        GloveConfig(**{name: value})


@pytest.mark.parametrize("loss", ["least-squares", "softmax"])
def test_a_training_that_explodes_names_its_rate(planted, loss):
    with pytest.raises(ValueError, match=r"expected finite vectors at the end of the training, .* below 1e"):
        train_glove(planted, replace(SMALL, loss=loss, rate=1e30))


def test_a_text_without_neighbours():
    with pytest.raises(ValueError, match="words that stand near each other are expected in the text, got none"):
        train_glove([["a"], ["b"]], replace(SMALL, min_count=1))
