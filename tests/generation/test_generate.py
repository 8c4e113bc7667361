"""From texts to answers: every strategy beside decoding without a cache, streams, results, and what is refused."""

import numpy as np
import pytest

from minisora.generation import GenerationConfig, answer, generate
from minisora.layers.attention import MultiHeadAttention


class MyAttention(MultiHeadAttention):
    """A student's own, which decodes without remember and attend."""

    def forward(self, x, memory=None, *, key=None, key_mask=None, causal=False):
        return super().forward(x, memory, key=key, key_mask=key_mask, causal=causal)


STRATEGIES = {
    "greedy": {},
    "temperature": {"temperature": 0.3},
    "top-k and top-p": {"temperature": 0.3, "top_k": 17, "top_p": 0.9, "seed": 1},
    "penalties": {"repetition_penalty": 1.3, "no_repeat_ngram": 2},
    "drawn with penalties": {"temperature": 0.4, "repetition_penalty": 1.3, "no_repeat_ngram": 3},
    "beams": {"beams": 4, "n_best": 4},
    "beams with penalties": {"beams": 3, "length_penalty": 1.5, "repetition_penalty": 1.2, "no_repeat_ngram": 1},
}
MODELS = {
    "pre": {},
    "post": {"norm": "post", "positions": "learned"},
    "tied, copies": {"tie": "all", "copy": True},
    "recurrent": {"encoder": "rnn", "cell": "gru"},
    "own layer": {"layers": {"attention": MyAttention}},
}
strategies = pytest.mark.parametrize("options", STRATEGIES.values(), ids=STRATEGIES)


def ids_of(found):
    return [[hypothesis.ids for hypothesis in one.hypotheses] for one in found]


@strategies
@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_with_a_cache_and_without_the_logits_and_the_answers_agree(
    spelling, texts, recorded_logits, options, changes, dtype, tolerance
):
    seen, found = [], []
    for cached in (True, False):
        model, tokenizer = spelling(1, dtype, **changes)
        seen.append(recorded_logits(model, cached))
        found.append(generate(model, tokenizer, tokenizer, texts, max_len=9, **options))
    assert ids_of(found[0]) == ids_of(found[1])
    assert len(seen[0]) == len(seen[1])
    for one, other in zip(*seen, strict=True):
        assert one.dtype == dtype
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


@strategies
def test_an_answer_does_not_depend_on_its_neighbours(spelling, texts, options):
    model, tokenizer = spelling(2)
    together = generate(model, tokenizer, tokenizer, texts, max_len=9, **options)
    assert len({len(one.hypotheses[0].ids) for one in together}) > 1
    alone = [generate(model, tokenizer, tokenizer, [text], max_len=9, **options)[0] for text in texts]
    in_pairs = generate(model, tokenizer, tokenizer, texts[::-1], max_len=9, batch_size=2, **options)[::-1]
    assert ids_of(together) == ids_of(alone) == ids_of(in_pairs)


@pytest.mark.parametrize("options", [{}, {"temperature": 1.0, "seed": 5}, {"repetition_penalty": 1.5}])
def test_the_pieces_of_a_stream_are_the_answers(spelling, texts, options):
    """In several batches; a model at random says many bytes that are no text, and one that is."""
    model, tokenizer = spelling(2)
    expected = answer(model, tokenizer, tokenizer, texts, max_len=9, batch_size=3, **options)
    streamed = [""] * len(texts)
    pieces = list(generate(model, tokenizer, tokenizer, texts, max_len=9, batch_size=3, stream=True, **options))
    for place, piece in pieces:
        assert piece
        streamed[place] += piece
    assert streamed == expected
    assert len(pieces) > len(texts)


def test_a_stream_comes_before_the_answer_is_known(spelling, texts, recorded_logits):
    """The first piece costs as many steps as it needs, and no more."""
    model, tokenizer = spelling(2)
    model.decoder.projection.bias.data[tokenizer.encode("天")[0]] = 1e9
    steps = recorded_logits(model)
    stream = generate(model, tokenizer, tokenizer, texts[:1], max_len=9, stream=True)
    assert steps == []
    assert next(stream) == (0, "天") and len(steps) == 1
    assert next(stream) == (0, "天") and len(steps) == 2


def test_seeds_repeat_and_differ(spelling, texts):
    model, tokenizer = spelling(0)
    first, again, other = (
        answer(model, tokenizer, tokenizer, texts, max_len=9, temperature=1.0, seed=seed) for seed in (3, 3, 4)
    )
    assert first == again
    assert all(one != another for one, another in zip(first, other, strict=True))


def test_equal_texts_get_equal_answers_and_different_ones_their_own(spelling):
    """What is drawn hangs on the seed and the text."""
    model, tokenizer = spelling(0)
    for _, parameter in model.parameters():
        parameter.data *= 0  # all tokens are equally probable, whatever the text
    one, same, other = answer(model, tokenizer, tokenizer, ["天气", "天气", "气天"], max_len=9, temperature=1.0)
    assert one == same != other


def test_a_result_has_its_parts(spelling, texts):
    model, tokenizer = spelling(2)
    for one in generate(model, tokenizer, tokenizer, texts, max_len=9, beams=3, n_best=2, return_beams=True):
        assert [hypothesis.text for hypothesis in one.hypotheses] == [
            tokenizer.decode(hypothesis.ids) for hypothesis in one.hypotheses
        ]
        assert one.text == one.hypotheses[0].text
        assert one.hypotheses[0].score >= one.hypotheses[1].score
        assert one.hypotheses[0].ids != one.hypotheses[1].ids
        assert {node.step for node in one.beams} == set(range(1, max(node.step for node in one.beams) + 1))
    (one,) = generate(model, tokenizer, tokenizer, texts[:1], max_len=9)
    assert one.beams is one.hypotheses[0].score is one.hypotheses[0].attention is None
    assert generate(model, tokenizer, tokenizer, []) == []


def test_the_tree_holds_every_hypothesis(spelling, texts):
    """Up to the end of the search, each step has as many that live as there are beams; the best one can be traced."""
    model, tokenizer = spelling(2)
    for one in generate(model, tokenizer, tokenizer, texts, max_len=9, beams=3, return_beams=True):
        last = max(node.step for node in one.beams)
        for step in range(1, last):
            assert sum(node.step == step and not node.ended for node in one.beams) == 3
        best = max((node for node in one.beams if node.ended or node.step == 9), key=lambda node: node.score)
        path = [best]
        while path[-1].parent >= 0:
            path.append(one.beams[path[-1].parent])
        assert [node.token for node in path[::-1] if not node.ended] == one.hypotheses[0].ids


def test_the_limits_of_the_model_hold(spelling):
    model, tokenizer = spelling(0)
    model.decoder.projection.bias.data[tokenizer.encode("天")[0]] = 1e9
    for options in ({}, {"beams": 2}):
        assert answer(model, tokenizer, tokenizer, ["天"], **options) == ["天" * 31]
    assert answer(model, tokenizer, tokenizer, ["天"], max_len=3) == ["天天天"]


@pytest.mark.parametrize(
    "options", [{"beams": 2}, {"return_attention": True}, {"beams": 2, "return_beams": True}], ids=str
)
def test_a_stream_gives_text_alone(spelling, options):
    model, tokenizer = spelling(0)
    with pytest.raises(ValueError, match="expected stream=True without beams"):
        generate(model, tokenizer, tokenizer, ["天"], stream=True, **options)


def test_no_beams_no_tree(spelling):
    model, tokenizer = spelling(0)
    with pytest.raises(ValueError, match="expected return_beams=True with beams of at least 2, got 1"):
        generate(model, tokenizer, tokenizer, ["天"], return_beams=True)


@pytest.mark.parametrize("stream", [False, True])
def test_bad_input_is_refused_at_the_call(spelling, stream):
    model, tokenizer = spelling(0)
    with pytest.raises(ValueError, match="expected beams to be an integer >= 1, got 0"):
        generate(model, tokenizer, tokenizer, ["天"], stream=stream, beams=0)
    with pytest.raises(ValueError, match="put it into brackets"):
        generate(model, tokenizer, tokenizer, "天", stream=stream)
    with pytest.raises(ValueError, match="a text of 1 to 31 tokens is expected, got 0"):
        generate(model, tokenizer, tokenizer, ["天", ""], stream=stream)
    with pytest.raises(ValueError, match="got 32: '天天"):
        generate(model, tokenizer, tokenizer, ["天" * 32], stream=stream)
    with pytest.raises(ValueError, match="text must be a string, got int"):
        generate(model, tokenizer, tokenizer, [3], stream=stream)


def test_every_option_is_used(spelling, texts):
    """Each changes an answer of this model; those of beams beside them."""
    model, tokenizer = spelling(2)

    def found(**options):
        return ids_of(generate(model, tokenizer, tokenizer, texts, **{"max_len": 9} | options))

    drawn, beams = {"temperature": 1.0}, {"beams": 4}
    assert found() != found(max_len=4)
    assert found() != found(**drawn) != found(temperature=1.1)
    assert found(**drawn) != found(**drawn, top_k=3) and found(**drawn) != found(**drawn, top_p=0.5)
    assert found(**drawn) != found(**drawn, seed=1)
    assert found() != found(repetition_penalty=9.0) and found() != found(no_repeat_ngram=1)
    assert found(**beams) != found() and found(**beams) != found(**beams, n_best=2)
    assert found(**beams) != found(**beams, length_penalty=9.0)
    tried = {"max_len", "temperature", "top_k", "top_p", "seed", "repetition_penalty", "no_repeat_ngram", "beams"}
    assert tried | {"n_best", "length_penalty", "batch_size"} == set(GenerationConfig.__dataclass_fields__)
