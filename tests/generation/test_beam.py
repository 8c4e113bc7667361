"""Beam search beside exhaustive search, greedy decoding, and the log-probabilities of a forward pass."""

import itertools

import numpy as np
import pytest

from minisora.generation import GenerationConfig, beam_search, greedy, length_penalty
from minisora.generation.beam import candidates
from minisora.layers.decoder_state import LayerState


def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def total_of(model, source, ids, max_len):
    """log P(ids | source) by one forward pass, with the eos that ends them unless they were cut, and their number."""
    said = [*ids, model.config.eos_id][:max_len]
    decoder_ids = np.array([[model.config.bos_id, *said[:-1]]])
    logs = log_softmax(model(source[None], decoder_ids)[0])
    return logs[np.arange(len(said)), said].sum(), len(said)


def small(tiny_model, seed=0, vocabulary=5, **changes):
    return tiny_model(seed, source_vocab_size=vocabulary, target_vocab_size=vocabulary, **changes)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("seed", range(2))
def test_a_beam_as_wide_as_everything_finds_the_best_of_all(tiny_model, seed, alpha):
    """Of 5 tokens and at most 4 steps there are 4^4 cut sequences, and 85 that end."""
    model, length = small(tiny_model, seed), 4
    source = np.random.default_rng(seed).integers(3, 5, (2, 3))
    others = [token for token in range(5) if token != model.config.eos_id]
    everything = [ids for n in range(length + 1) for ids in itertools.product(others, repeat=n)]
    config = GenerationConfig(beams=400, length_penalty=alpha, n_best=400)
    for row, tree in zip(source, beam_search(model, source, config, max_len=length), strict=True):
        scores = {}
        for ids in everything:
            total, steps = total_of(model, row, ids, length)
            scores[ids] = total / length_penalty(steps, alpha)
        places = tree.best(400)
        found = {tuple(tree.ids(place)): tree.nodes[place].score for place in places}
        assert len(places) == len(found) == len(everything) == 341  # all of them, none twice
        assert list(found) == sorted(found, key=found.get, reverse=True)
        assert tuple(tree.ids(places[0])) == max(scores, key=scores.get)
        for ids, score in found.items():
            np.testing.assert_allclose(score, scores[ids], rtol=1e-12)


@pytest.mark.parametrize("beams", [2, 3, 7])
@pytest.mark.parametrize("changes", [{}, {"norm": "post"}, {"encoder": "rnn"}, {"copy": True, "target_vocab_size": 23}])
def test_a_batch_is_the_search_for_each_source(tiny_model, plain_decoding, monkeypatch, beams, changes):
    """The beams are reordered at every step, sources end one after the other, and some have padding."""
    model = tiny_model(4, **changes)
    model.decoder.projection.bias.data[model.config.eos_id] += 2
    source = np.random.default_rng(1).integers(3, 23, (5, 6))
    for row, length in enumerate((6, 1, 3, 6, 2)):
        source[row, length:] = 0
    moved, right = [], LayerState.reorder_past
    monkeypatch.setattr(LayerState, "reorder_past", lambda self, rows: (moved.append(rows), right(self, rows)))
    trees = beam_search(model, source, GenerationConfig(beams=beams), max_len=7)
    assert any((rows != np.arange(len(rows))).any() for rows in moved)  # beams change places
    for row, tree in zip(source, trees, strict=True):
        expected = plain_decoding.search(model, row[row != 0], 7, GenerationConfig(beams=beams))
        places = tree.best(beams)
        got = [(tree.nodes[place].score, tree.ids(place)) for place in places]
        for (score, ids), (right_score, right) in zip(got, expected, strict=False):
            assert ids == right
            np.testing.assert_allclose(score, right_score, rtol=1e-11)


@pytest.mark.parametrize("seed", range(5))
def test_one_beam_is_greedy_decoding(tiny_model, seed):
    model = tiny_model(seed)
    model.decoder.projection.bias.data[model.config.eos_id] += 2
    source = np.random.default_rng(seed).integers(3, 23, (7, 6))
    trees = beam_search(model, source, GenerationConfig(beams=1), max_len=11)
    assert [tree.ids(tree.best(1)[0]) for tree in trees] == greedy(model, source, max_len=11)


def test_more_beams_find_what_is_more_probable(tiny_model):
    """Not for every model and source, but on the whole; here for all seven."""
    model = tiny_model(2)
    source = np.random.default_rng(2).integers(3, 23, (7, 6))

    def best(beams):
        trees = beam_search(model, source, GenerationConfig(beams=beams, length_penalty=0.0), max_len=5)
        return np.array([tree.nodes[tree.best(1)[0]].score for tree in trees])

    assert (best(40) >= best(1)).all() and (best(40) > best(1)).any()


def test_hypotheses_are_distinct_and_sorted(tiny_model):
    model = tiny_model(1)
    model.decoder.projection.bias.data[model.config.eos_id] += 1
    source = np.random.default_rng(0).integers(3, 23, (5, 6))
    for tree in beam_search(model, source, GenerationConfig(beams=11), max_len=9):
        places = tree.best(11)
        scores = [tree.nodes[place].score for place in places]
        assert len(places) == 11 == len({tuple(tree.ids(place)) for place in places})
        assert scores == sorted(scores, reverse=True)


def test_a_longer_hypothesis_wins_with_a_length_penalty(tiny_model):
    model = tiny_model(1)
    model.decoder.projection.bias.data[model.config.eos_id] += 1
    source = np.random.default_rng(0).integers(3, 23, (11, 6))

    def mean_length(alpha):
        trees = beam_search(model, source, GenerationConfig(beams=5, length_penalty=alpha), max_len=9)
        return np.mean([len(tree.ids(tree.best(1)[0])) for tree in trees])

    assert mean_length(0.0) < mean_length(2.0)


def test_max_len_is_a_limit_and_the_beams_need_not_all_exist(tiny_model):
    """With one step there are as many hypotheses as tokens, fewer than beams."""
    model = small(tiny_model)
    (tree,) = beam_search(model, np.array([[3, 4]]), GenerationConfig(beams=9), max_len=1)
    assert sorted(tree.ids(place) for place in tree.best(9)) == [[], [0], [1], [3], [4]]
    model.decoder.projection.bias.data[model.config.eos_id] = -1e9
    (tree,) = beam_search(model, np.array([[3, 4]]), GenerationConfig(beams=9), max_len=3)
    assert {len(tree.ids(place)) for place in tree.best(9)} == {3}


def test_a_hypothesis_says_no_ngram_twice(tiny_model):
    model = tiny_model(2)
    model.decoder.projection.bias.data[5:8] += 5  # it would say little else
    source = np.random.default_rng(0).integers(3, 23, (3, 6))
    trees = beam_search(model, source, GenerationConfig(beams=3, no_repeat_ngram=2), max_len=13)
    free = beam_search(model, source, GenerationConfig(beams=3), max_len=13)

    def repeats(trees):
        for tree in trees:
            for place in tree.best(3):
                ids = tree.ids(place)
                pairs = list(itertools.pairwise(ids))
                yield len(pairs) - len(set(pairs))

    assert sum(repeats(trees)) == 0 < sum(repeats(free))


@pytest.mark.parametrize("changes", [{}, {"copy": True, "target_vocab_size": 23}])
def test_the_kernels_find_what_numpy_finds(tiny_model, changes):
    """Four and more vectors a step, for which weights are packed; a vocabulary of more than one block a candidate."""
    model = tiny_model(6, **({"target_vocab_size": 1009} | changes))
    model.decoder.projection.bias.data[model.config.eos_id] += 3
    source = np.random.default_rng(1).integers(3, 23, (5, 6))
    source[1, 4:] = 0

    def search():
        trees = beam_search(model, source, GenerationConfig(beams=3), max_len=7)
        return [[tree.hypothesis(place) for place in tree.best(3)] for tree in trees]

    expected, found = search(), (model.use_backend("numba"), search())[1]
    for one, other in zip(itertools.chain(*expected), itertools.chain(*found), strict=True):
        assert (one[0], one[2]) == (other[0], other[2])
        np.testing.assert_allclose(one[1], other[1], rtol=1e-12)


def test_candidates_are_the_highest_log_probabilities(rng):
    logits = rng.normal(0, 30, (3, 701)).astype(np.float32)
    gains, tokens = candidates(logits, 5)
    expected = log_softmax(logits.astype(np.float64))
    np.testing.assert_array_equal(tokens, np.argsort(-logits, axis=1)[:, :5])
    np.testing.assert_allclose(gains, np.take_along_axis(expected, tokens, axis=1), atol=1e-5)
