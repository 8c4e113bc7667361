"""The example question on its way: every number against the layers that it comes from, with and without a copy head."""

import numpy as np
import pytest

from minisora import SoraConfig, SoraModel, greedy
from minisora.checkpoint import load
from minisora.commands.info import QUESTION
from minisora.corpus.faq import PAIRS
from minisora.walk import walk

V = 23
CONFIGS = {
    "transformer": {},
    "copies": {"copy": True},
    "rnn": {"encoder": "rnn", "cell": "gru"},
    "post-norm": {"norm": "post", "positions": "learned", "tie": "all"},
}


def make_model(**options):
    sizes = {"source_vocab_size": V, "target_vocab_size": V, "d_model": 12, "num_heads": 3, "d_ff": 7, "max_len": 11}
    return SoraModel(SoraConfig(**sizes, **options), np.random.default_rng(3))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_numbers_are_those_of_the_model(name):
    model, ids = make_model(**CONFIGS[name]), [5, 3, 17, 3, 22]
    found = walk(model, ids, candidates=2, head=1)
    source = np.array([ids])
    memory, cache = model.encoder.forward(source)
    np.testing.assert_array_equal(found.memory, memory[0])
    np.testing.assert_allclose(found.embedded, 12**0.5 * model.encoder.embedded.embedding.table.data[ids], rtol=1e-6)
    attention = cache.stack.layers[0].self_attention.attention
    q, k, v = (getattr(attention, letter)[0, 1].astype(np.float64) for letter in "qkv")  # of the head, (S, d_k)
    scores = k @ q[4] / 2  # sqrt(d_k) = 2
    weights = np.exp(scores) / np.exp(scores).sum()
    assert found.attention.token == 4
    np.testing.assert_allclose(found.attention.scores, scores, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.attention.weights, weights, rtol=1e-5)
    np.testing.assert_allclose(found.attention.out, weights @ v, rtol=1e-4, atol=1e-6)
    logits = model(source, np.array([[model.config.bos_id]]))[0, 0].astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum()
    first = found.steps[0]
    assert first.ids == np.argsort(-p)[:2].tolist()
    np.testing.assert_allclose(first.probabilities, p[first.ids], rtol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_writes_what_greedy_decoding_writes(name):
    model = make_model(**CONFIGS[name])
    written = [step.ids[0] for step in walk(model, [5, 3, 17]).steps]
    (expected,) = greedy(model, np.array([[5, 3, 17]]))
    end = [] if len(expected) == model.config.max_len else [model.config.eos_id]
    assert written == expected + end
    assert len(written) <= model.config.max_len


def test_the_positions_are_those_that_the_encoder_adds():
    found = walk(make_model(), [4, 4])
    added = found.vectors - found.embedded
    np.testing.assert_allclose(added[0], [0, 1] * 6, atol=1e-6)
    np.testing.assert_allclose(added[1, :2], [np.sin(1), np.cos(1)], atol=1e-6)


def test_the_decoder_looks_where_the_last_cross_attention_has_its_largest_weight():
    model, source = make_model(), np.array([[5, 3, 17, 8]])
    step = walk(model, source[0].tolist()).steps[0]
    _, cache = model.forward(source, np.array([[model.config.bos_id]]))
    weights = cache.decoder.stack.layers[-1].cross_attention.weights  # (1, H, 1, S)
    assert step.seen == weights[0, :, 0].mean(axis=0).argmax()


def test_the_bundled_model_gives_the_article_s_answer():
    model, source, target = load("sora/sora-base")
    found = walk(model, source.encode(QUESTION))
    assert target.decode([step.ids[0] for step in found.steps]) == PAIRS[QUESTION]
    assert found.steps[-1].ids[0] == model.config.eos_id
    product = np.prod([step.probabilities[0] for step in found.steps])
    assert found.loss == pytest.approx(-np.log(product))
