"""Decoding on the device: the host's answers; one array of ids is read for each token."""

import numpy as np
import pytest

from minisora.generation import GenerationConfig, answer, beam_search, generate, greedy
from minisora.gradcheck.sizes import padded_ids

pytestmark = pytest.mark.fake_device


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 4, "eos_id": 14},
        {"seed": 5, "eos_id": 20, "norm": "post", "positions": "learned"},
        {"seed": 8, "eos_id": 5, "tie": "all"},
        {"seed": 8, "eos_id": 11, "tie": "all", "copy": True},
    ],
)
def test_greedy_decoding_is_that_of_the_host(tiny_model, device, changes):
    """With an end of sequence that such a model says here and there, so that sequences end one after the other."""
    model = tiny_model(**changes)
    source_ids = padded_ids(np.random.default_rng(1), 23, 9, 11)
    expected = greedy(model, source_ids, max_len=13)
    lengths = {len(output) for output in expected}
    assert len(lengths) > 3
    model.to("cuda")
    device.transfers.clear()
    assert greedy(model, source_ids, max_len=13) == expected
    directions = [transfer.direction for transfer in device.transfers]
    assert directions.count("to_host") == min(13, max(lengths) + 1)  # the ids of each token
    assert directions.count("to_device") == 1 + len(lengths - {13})  # the source; the rows that go on


def test_a_cached_step_is_that_of_the_host(tiny_model, device, to_device):
    model = tiny_model()
    rng = np.random.default_rng(3)
    source_ids, target_ids = padded_ids(rng, 23, 4, 7), padded_ids(rng, 29, 4, 5)
    rows = np.array([2, 0, 2])

    def decode(source_ids, target_ids, rows):
        state = model.decoder.start(model.encoder(source_ids), model.encoder.visible(source_ids))
        logits = [model.decoder.step(target_ids[:, t], state)[0] for t in range(3)]
        state.reorder(rows)
        return [*logits, model.decoder.step(target_ids[:3, 3], state)[0]]

    expected = decode(source_ids, target_ids, rows)
    model.to("cuda")
    inputs = to_device((source_ids, target_ids, rows))
    device.transfers.clear()
    got = decode(*inputs)
    assert device.transfers == []
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_array_equal(device.asnumpy(other), one)


def test_answers_are_those_of_the_host(make_model, tokenizer, device):
    model, texts = make_model(), ["甲乙", "丙", "丁戊甲乙丙", "戊"]
    expected = answer(model, tokenizer, tokenizer, texts, max_len=7, batch_size=3)
    assert answer(model.to("cuda"), tokenizer, tokenizer, texts, max_len=7, batch_size=3) == expected


STRATEGIES = {
    "temperature": {"temperature": 0.5},
    "filters": {"temperature": 0.7, "top_k": 11, "top_p": 0.9},
    "penalties": {"repetition_penalty": 1.3, "no_repeat_ngram": 2},
    "beams": {"beams": 3, "n_best": 3, "no_repeat_ngram": 2, "repetition_penalty": 1.1},
}


@pytest.mark.parametrize("changes", [{}, {"copy": True}])
@pytest.mark.parametrize("options", STRATEGIES.values(), ids=STRATEGIES)
def test_every_strategy_is_that_of_the_host(make_model, tokenizer, device, options, changes):
    """With the attention of every step, which is the one thing more that is read."""
    model, texts = make_model(**changes), ["甲乙", "丙", "丁戊甲乙丙", "戊"]

    def decode():
        return generate(model, tokenizer, tokenizer, texts, max_len=7, return_attention=True, **options)

    expected = decode()
    model.to("cuda")
    for one, other in zip(expected, decode(), strict=True):
        for mine, theirs in zip(one.hypotheses, other.hypotheses, strict=True):
            assert mine[:3] == theirs[:3]
            for maps, others in zip(mine.attention, theirs.attention, strict=True):
                np.testing.assert_array_equal(maps, others)


@pytest.mark.parametrize("options", [{"temperature": 0.5, "top_p": 0.9}, {"repetition_penalty": 1.3}])
def test_sampling_reads_one_array_of_ids_a_token(make_model, tokenizer, device, options):
    """And sends what it draws by once, at the beginning."""
    model = make_model().to("cuda")
    device.transfers.clear()
    (one,) = generate(model, tokenizer, tokenizer, ["甲乙丙"], max_len=7, **options)
    directions = [transfer.direction for transfer in device.transfers]
    assert len(one.hypotheses[0].ids) == 7
    assert directions.count("to_host") == 7
    assert directions.count("to_device") == 2 + ("temperature" in options)  # source, mask and the numbers


def test_beam_search_reads_and_sends_one_array_a_token(tiny_model, device):
    model = tiny_model(4, eos_id=14).to("cuda")
    source_ids = padded_ids(np.random.default_rng(1), 23, 9, 11)
    device.transfers.clear()
    trees = beam_search(model, source_ids, GenerationConfig(beams=3, no_repeat_ngram=2), max_len=13)
    steps = max(node.step for tree in trees for node in tree.nodes)
    directions = [transfer.direction for transfer in device.transfers]
    assert directions.count("to_host") == steps
    assert directions.count("to_device") == 1 + steps - (steps == 13)  # the source; the rows of the beams
