"""The attention of every step, beside the caches of one forward pass over the same tokens."""

import numpy as np
import pytest

from minisora.generation import generate
from minisora.layers.attention import MultiHeadAttention


class MyAttention(MultiHeadAttention):
    """A student's own: its forward is called for every step, and its cache has the weights."""

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        return super().forward(x, memory, key=key, key_mask=key_mask, causal=causal)


STRATEGIES = {
    "greedy": {},
    "sampling": {"temperature": 0.3, "seed": 3},
    "beams": {"beams": 3, "n_best": 3},
}


@pytest.mark.parametrize("options", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize("changes", [{}, {"norm": "post", "num_heads": 5}, {"encoder": "rnn"}, {"copy": True}, "own"])
def test_the_maps_are_those_of_the_forward_pass(spelling, texts, options, changes):
    """Texts of different lengths in one batch, answers that end one after the other, beams that change places."""
    changes = {"layers": {"attention": MyAttention}} if changes == "own" else changes
    model, tokenizer = spelling(2, **changes)
    found = generate(model, tokenizer, tokenizer, texts, max_len=9, return_attention=True, **options)
    lengths = set()
    for text, one in zip(texts, found, strict=True):
        assert len(one.hypotheses) == options.get("n_best", 1)
        for hypothesis in one.hypotheses:
            steps = min(len(hypothesis.ids) + 1, 9)
            lengths.add(steps)
            decoder_ids = np.array([[model.config.bos_id, *hypothesis.ids][:steps]])
            source_ids = np.array([tokenizer.encode(text)])
            _, cache = model.forward(source_ids, decoder_ids)
            encoder, decoder = cache.encoder.stack.layers, cache.decoder.stack.layers
            maps = hypothesis.attention
            check(maps.encoder, [layer.self_attention.weights[0] for layer in encoder])
            check(maps.decoder, [layer.self_attention.weights[0] for layer in decoder])
            check(maps.cross, [layer.cross_attention.weights[0] for layer in decoder])
    assert len(lengths) > 1


def check(maps, expected):
    assert len(maps) == len(expected) > 0
    for one, other in zip(maps, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=1e-12)
        np.testing.assert_allclose(one.sum(axis=-1), 1, atol=1e-12)


def test_watching_changes_no_answer(spelling, texts):
    model, tokenizer = spelling(2)
    plain, watched = (
        generate(model, tokenizer, tokenizer, texts, max_len=9, return_attention=watch) for watch in (False, True)
    )
    assert [one.text for one in plain] == [one.text for one in watched]
    assert plain[0].hypotheses[0].attention is None


class Silent(MultiHeadAttention):
    """Its own remember and attend, and nobody can say what it weighs with."""

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        return super().forward(x, memory, key=key, key_mask=key_mask, causal=causal)

    def remember(self, memory):
        return super().remember(memory)

    def attend(self, x, remembered, key_mask=None):
        return super().attend(x, remembered, key_mask)


class Closed(MyAttention):
    """Its cache keeps the weights to itself."""

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        out, cache = super().forward(x, memory, key=key, key_mask=key_mask, causal=causal)
        return out, (cache,)


@pytest.mark.parametrize(
    ("attention", "message"),
    [(Silent, "a method weigh is expected beside attend, got Silent"), (Closed, "to have weights, got tuple without")],
)
def test_a_layer_that_does_not_show_its_weights_is_named(spelling, texts, attention, message):
    model, tokenizer = spelling(layers={"attention": attention})
    generate(model, tokenizer, tokenizer, texts, max_len=2)
    with pytest.raises(ValueError, match=message):
        generate(model, tokenizer, tokenizer, texts, max_len=2, return_attention=True)
