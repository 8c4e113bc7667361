"""Training: what is drawn, that it repeats, and that a planted structure comes back."""

from dataclasses import replace

import numpy as np
import pytest

from minisora.kernels.threads import at_most
from minisora.text.word2vec_training import CHUNK, Word2VecConfig, Word2VecTraining, train_word2vec
from minisora.text.word_counts import WordCounts, count_words, encode_words

SMALL = Word2VecConfig(size=16, window=2, epochs=12, min_count=1, subsample=0.0, rate=0.1)


@pytest.mark.parametrize("architecture", ["skip-gram", "cbow"])
@pytest.mark.parametrize("loss", ["negative-sampling", "softmax"])
def test_planted_structure_comes_back(planted, structure_found, architecture, loss):
    config = replace(SMALL, architecture=architecture, loss=loss)
    assert structure_found(train_word2vec(planted, config))


@pytest.mark.parametrize("architecture", ["skip-gram", "cbow"])
def test_the_same_numbers_on_any_number_of_threads(architecture):
    """Text of several blocks, so that one is drawn while another is worked off."""
    sentences = random_sentences(np.random.default_rng(1), words=9 * CHUNK)
    config = Word2VecConfig(architecture=architecture, size=8, epochs=2, window=3, min_count=1)
    first = train_word2vec(sentences, config)
    with at_most(1):
        alone = train_word2vec(sentences, config)
    np.testing.assert_array_equal(first.vectors, alone.vectors)
    np.testing.assert_array_equal(first.vectors, train_word2vec(sentences, config).vectors)
    assert not np.array_equal(first.vectors, train_word2vec(sentences, replace(config, seed=1)).vectors)


def test_sentences_may_come_from_a_generator(planted):
    config = replace(SMALL, epochs=1)
    found = train_word2vec((sentence for sentence in planted), config)
    np.testing.assert_array_equal(found.vectors, train_word2vec(planted, config).vectors)


def random_sentences(rng, words):
    return [[f"w{i}" for i in rng.zipf(1.5, 100) % 50] for _ in range(words // 100)]


def test_every_word_has_its_neighbours():
    """Window 1 reaches exactly one to each side; nothing is subsampled: 2 (T - 1) examples for T words."""
    sentences = [["a", "b", "c", "d"], ["b"], ["c", "a"]]
    assert trained(sentences, "skip-gram", window=1, epochs=3).examples == 3 * (6 + 2)
    assert trained(sentences, "cbow", window=1, epochs=3).examples == 3 * (4 + 2)


@pytest.mark.parametrize(("architecture", "examples"), [("skip-gram", 6), ("cbow", 3)])
def test_a_window_longer_than_any_sentence(architecture, examples):
    """No memory is asked for what cannot be there."""
    assert trained([["a", "b", "c"]], architecture, window=10**30, epochs=2).examples == 2 * examples


def test_windows_are_dynamic():
    """Of a window of 3, a neighbour at distance d is there in (4 - d) of 3 draws: 2 (3 + 2 + 1) / 3 = 4 for a word."""
    sentences = [["a", "b"] * 500] * 40
    examples = trained(sentences, "skip-gram", window=3, epochs=1).examples
    assert abs(examples / 40_000 - 4) < 0.03


def test_subsampling_leaves_the_expected_share():
    """f = 1/2 for both words, t = 1/32: sqrt(t / f) = 1/4 of the words stay, each with two neighbours."""
    sentences = [["a", "b"] * 500] * 40
    training = trained(sentences, "skip-gram", window=1, epochs=1, subsample=1 / 32)
    assert abs(training.kept / 40_000 - 1 / 4) < 0.01
    assert training.examples == 2 * (training.kept - 40)


def trained(sentences, architecture, **changes):
    config = Word2VecConfig(architecture=architecture, **({"size": 2, "min_count": 1, "subsample": 0.0} | changes))
    vocabulary = count_words(sentences, 1)
    return Word2VecTraining(vocabulary, encode_words(sentences, vocabulary.words), config).fit()


def test_rates_fall_in_a_straight_line():
    config = Word2VecConfig(rate=0.5, final_rate=0.1)
    assert [config.rate_at(share) for share in (0, 0.25, 1)] == [0.5, 0.4, 0.1]
    assert Word2VecConfig().rate_at(0) == 0.025
    assert [Word2VecConfig(rate=1e-5).rate_at(share) for share in (0, 1)] == [1e-5, 1e-5]


@pytest.mark.parametrize(
    "name, value",
    [("size", 0), ("window", 2.5), ("negatives", True), ("seed", -1), ("rate", 0), ("subsample", float("nan")),
     ("architecture", "glove"), ("loss", None), ("epochs", "5")],
)  # fmt: skip
def test_what_a_config_refuses(name, value):
    with pytest.raises(ValueError, match=f"expected {name} to be .*, got {value!r}"):
        Word2VecConfig(**{name: value})


@pytest.mark.parametrize("loss", ["negative-sampling", "softmax"])
def test_a_training_that_explodes_names_its_rate(planted, loss):
    with pytest.raises(ValueError, match=r"expected finite vectors at the end of the training, .* below 1e"):
        train_word2vec(planted, replace(SMALL, loss=loss, rate=1e300))


def test_a_text_without_sentences():
    vocabulary = WordCounts(("a", "b"), np.array([1, 1]))
    with pytest.raises(ValueError, match="at least one sentence"):
        Word2VecTraining(vocabulary, encode_words([], vocabulary.words), SMALL).fit()


def test_a_progress_bar_when_asked(planted, capsys):
    train_word2vec(planted[:20], replace(SMALL, epochs=1))
    assert capsys.readouterr().err == ""
    train_word2vec(planted[:20], replace(SMALL, epochs=1), progress_bar=True)
    assert "100%" in capsys.readouterr().err
