"""Every strategy beside the same in plain Python, and mistakes, planted in the real code, which that must show."""

import numpy as np
import pytest

from minisora.generation import GenerationConfig, beam, beam_tree, choice, filters, generate, penalties
from minisora.generation.beam_tree import BeamTree
from minisora.generation.choice import Choice
from minisora.generation.largest import largest
from minisora.generation.penalties import Penalties
from minisora.gradcheck.bug_zoo import WIRING
from minisora.kernels import DropoutKey
from minisora.layers.decoder_state import DecoderState, LayerState

MAX_LEN = 9
STRATEGIES = {
    "greedy": {},
    "temperature": {"temperature": 0.5},
    "top-k": {"temperature": 0.7, "top_k": 5},
    "top-p": {"temperature": 0.7, "top_p": 0.8},
    "both": {"temperature": 0.7, "top_k": 19, "top_p": 0.8},
    "repetition": {"repetition_penalty": 1.4},
    "drawn repetition": {"temperature": 1.0, "repetition_penalty": 5.0},
    "unigrams": {"no_repeat_ngram": 1},
    "bigrams": {"no_repeat_ngram": 2},
    "drawn bigrams": {"temperature": 0.3, "no_repeat_ngram": 2, "repetition_penalty": 1.2},
    "beams": {"beams": 4, "n_best": 4},
    "beams of bigrams": {"beams": 3, "n_best": 2, "no_repeat_ngram": 2, "repetition_penalty": 1.2},
}


def differences(spelling, texts, plain, strategies):
    """The strategies whose answers are not those of plain Python."""
    different = []
    for name in strategies:
        options = STRATEGIES[name]
        model, tokenizer = spelling(2)
        found = generate(model, tokenizer, tokenizer, texts, max_len=MAX_LEN, batch_size=21, **options)
        config, key = GenerationConfig(**options), DropoutKey(0).child("generation")
        for text, one in zip(texts, found, strict=True):
            source = np.array(tokenizer.encode(text))
            if config.beams == 1:
                expected = [(None, plain.walk(model, source, MAX_LEN, config, key.child(text)))]
            else:
                expected = plain.search(model, source, MAX_LEN, config)[: config.n_best]
            got = [(hypothesis.score, hypothesis.ids) for hypothesis in one.hypotheses]
            if [ids for _, ids in got] != [ids for _, ids in expected]:
                different.append(name)
            elif config.beams > 1:
                np.testing.assert_allclose([s for s, _ in got], [s for s, _ in expected], rtol=1e-10)
    return different


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_is_that_of_plain_python(spelling, texts, plain_decoding, strategy):
    assert differences(spelling, texts, plain_decoding, [strategy]) == []


MISTAKES = {}  # a function that plants it, by what it is


def mistake(*strategies):
    """Register a mistake, and the strategies that must show it."""

    def register(plant):
        MISTAKES[plant.__name__.replace("_", " ")] = plant, strategies
        return plant

    return register


@mistake("beams", "greedy")
def keys_and_values_are_not_reordered(patch):
    def reorder_past(self, rows):
        self._past = tuple(a[: len(rows)] for a in self._past or ()) or None

    patch.setattr(LayerState, "reorder_past", reorder_past)


@mistake("beams")
def hypotheses_keep_the_memory_of_their_row(patch):
    """When a source has ended, the rows behind it go on with its memory."""
    patch.setattr(DecoderState, "reorder", lambda self, rows: self.reorder_past(rows))


@mistake("beams")
def beams_go_on_in_their_own_rows(patch):
    right = BeamTree.advance

    def advance(self, gains, tokens, first_row):
        going = right(self, gains, tokens, first_row)
        return [(first_row + slot, token) for slot, (_, token) in enumerate(going)]

    patch.setattr(BeamTree, "advance", advance)


@mistake("beams")
def hypotheses_read_the_memory_of_another_source(patch):
    right = LayerState.reorder_memory
    patch.setattr(LayerState, "reorder_memory", lambda self, rows: right(self, rows[::-1]))


@mistake("beams")
def an_end_makes_the_beam_narrower(patch):
    right = BeamTree.advance

    def advance(self, *arguments):
        going = right(self, *arguments)
        self.live = self.live[: max(1, self.beams - len(self.ended))]
        return going

    patch.setattr(BeamTree, "advance", advance)


@mistake("beams")
def the_search_ends_with_the_first_end(patch):
    patch.setattr(BeamTree, "_is_over", lambda self: bool(self.ended))


@mistake("beams")
def hypotheses_are_compared_by_the_mean(patch):
    patch.setattr(beam_tree, "length_penalty", lambda length, alpha: length**alpha)


@mistake("beams")
def logits_are_added_instead_of_log_probabilities(patch):
    def candidates(logits, count, fused=None):
        values, tokens = largest(logits, count)
        return values, tokens

    patch.setattr(beam, "candidates", candidates)


@mistake("drawn bigrams", "beams of bigrams")
def what_was_said_is_not_reordered(patch):
    patch.setattr(Penalties, "reorder", lambda self, rows: setattr(self, "_said", self._said[: len(rows)]))


@mistake("drawn bigrams")
def numbers_do_not_follow_their_sequence(patch):
    def reorder(self, rows):
        self.penalties.reorder(rows)
        self._uniforms = self._uniforms[: len(rows)]

    patch.setattr(Choice, "reorder", reorder)


@mistake("temperature")
def every_step_draws_with_the_same_number(patch):
    patch.setattr(Choice, "step", property(lambda self: 0, lambda self, value: None), raising=False)


@mistake("temperature")
def the_temperature_multiplies(patch):
    patch.setattr(Choice, "scale", lambda self, logits: (logits - logits.max(axis=-1, keepdims=True)) * 0.5)


@mistake("top-p")
def the_token_that_reaches_p_is_left_out(patch):
    right = filters.nucleus_size
    patch.setattr(filters, "nucleus_size", lambda ranked, p: np.maximum(right(ranked, p) - 1, 1))


@mistake("both")
def top_p_looks_at_what_top_k_has_dropped(patch):
    patch.setattr(choice, "top_k", lambda logits, k: logits)


@mistake("drawn repetition")
def negative_logits_are_divided_too(patch):
    def penalize(logits, said, penalty):
        out = logits.copy()
        at = np.arange(len(logits))[:, None], said
        out[at] = logits[at] / penalty
        return out

    patch.setattr(penalties, "penalize_repetition", penalize)


@mistake("bigrams")
def an_ngram_is_one_token_longer(patch):
    right = penalties.block_ngrams
    patch.setattr(penalties, "block_ngrams", lambda logits, said, n: right(logits, said, n + 1))


for case in WIRING:
    if case.name in ("reorder forgets the past", "reorder forgets the memory mask", "step forgets the memory mask"):
        MISTAKES[case.name] = case.plant, ("greedy", "beams")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_seen(spelling, texts, plain_decoding, monkeypatch, name):
    """Another answer, or an error: arrays of different batches that meet."""
    plant, strategies = MISTAKES[name]
    cases = {strategy: spelling(2) for strategy in strategies}  # made before the mistake
    plant(monkeypatch)
    for strategy, case in cases.items():
        try:
            seen = differences(lambda seed, case=case: case, texts, plain_decoding, [strategy])
        except (AssertionError, IndexError, ValueError):
            continue
        assert seen
