"""An ensemble says what the mean of its models' probabilities says, by every strategy."""

import numpy as np
import pytest

from minisora.generation import Ensemble, GenerationConfig, beam_search, generate, greedy
from minisora.generation.ensemble import log_mean
from minisora.text import SoraTokenizer

SOURCES = np.random.default_rng(4).integers(5, 23, (3, 7))


class Mean:
    """The model that an ensemble is, without a state: log of the mean of the probabilities, from whole sequences."""

    def __init__(self, models):
        self.models, self.config = models, models[0].config

    def __call__(self, source, ids):
        logits = [model.forward(source, ids)[0] for model in self.models]
        probabilities = [np.exp(one) / np.exp(one).sum(axis=-1, keepdims=True) for one in logits]
        return np.log(np.mean(probabilities, axis=0))


@pytest.fixture
def models(tiny_model):
    return [tiny_model(seed) for seed in range(3)]


def test_the_mean_of_probabilities_by_hand():
    a, b = np.log([[0.5, 0.25, 0.25]]), 3.0 + np.log([[0.1, 0.6, 0.3]])  # the second is not normalised
    np.testing.assert_allclose(np.exp(log_mean([a, b])), [[0.3, 0.425, 0.275]], rtol=1e-12)


def test_what_no_model_can_say_stays_impossible():
    a, b = np.array([[0.0, -np.inf, 0.0]]), np.array([[0.0, -np.inf, -np.inf]])
    np.testing.assert_allclose(np.exp(log_mean([a, b])), [[0.75, 0.0, 0.25]], rtol=1e-12)


def test_large_logits_do_not_overflow():
    big = np.array([[1e4, 0.0]], np.float32)
    out = log_mean([big, big])
    assert out.dtype == np.float32 and np.isfinite(out).all() and out[0, 0] == 0


def test_greedy_is_the_argmax_of_the_mean(models):
    mean, found = Mean(models), greedy(Ensemble(models), SOURCES, max_len=9)
    assert found != greedy(models[0], SOURCES, max_len=9)
    for source, answer in zip(SOURCES, found, strict=True):
        ids = []
        while len(ids) < 9:
            token = int(mean(source[None], np.array([[1, *ids]]))[0, -1].argmax())
            if token == 2:
                break
            ids.append(token)
        assert answer == ids


def test_beam_search_scores_by_the_mean(models):
    mean, config = Mean(models), GenerationConfig(beams=3, length_penalty=0.0)
    for source, tree in zip(SOURCES, beam_search(Ensemble(models), SOURCES, config, max_len=6), strict=True):
        ids, score, _ = tree.hypothesis(tree.best(1)[0])
        said = ids + [2] * (len(ids) < 6)
        logs = mean(source[None], np.array([[1, *said[:-1]]]))[0]
        np.testing.assert_allclose(score, logs[np.arange(len(said)), said].sum(), rtol=1e-9)


def test_a_model_with_itself_is_the_model(tiny_model):
    model = tiny_model(5)
    assert greedy(Ensemble([model, model]), SOURCES, max_len=9) == greedy(model, SOURCES, max_len=9)


def test_texts_to_texts_and_the_shortest_limit(tiny_model):
    source = SoraTokenizer("whitespace", [f"w{i}" for i in range(5, 23)])
    target = SoraTokenizer("whitespace", [f"v{i}" for i in range(5, 29)])
    ensemble = Ensemble([tiny_model(0), tiny_model(1, max_len=4)])
    assert ensemble.config.max_len == 4
    for options in ({}, {"beams": 2}, {"temperature": 1.0}):
        (one, other) = generate(ensemble, source, target, ["w5 w6", "w7"], **options)
        assert len(one.hypotheses[0].ids) <= 4 and len(other.hypotheses[0].ids) <= 4
    with pytest.raises(ValueError, match="a text of 1 to 4 tokens is expected, got 5"):
        generate(ensemble, source, target, ["w5 w6 w7 w8 w9"])
    with pytest.raises(ValueError, match="expected one model where attention is to be returned, got an ensemble"):
        generate(ensemble, source, target, ["w5"], return_attention=True)


def test_every_parameter_has_a_name_of_its_own(models):
    names = [name for name, _ in Ensemble(models).parameters()]
    assert len(names) == len(set(names)) == 3 * len(list(models[0].parameters()))


def test_models_that_cannot_stand_together_are_refused(tiny_model):
    with pytest.raises(ValueError, match="at least one model"):
        Ensemble([])
    with pytest.raises(ValueError, match="expected models with the same target_vocab_size, got 29 and 31"):
        Ensemble([tiny_model(), tiny_model(target_vocab_size=31)])
