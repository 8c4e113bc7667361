"""A decoder without a cache, for comparison with the one that has one."""

import math
from dataclasses import replace

import numpy as np
import pytest

from minisora.generation import greedy
from minisora.kernels.random import uniforms
from minisora.text import SoraTokenizer


class PlainDecoding:
    """Every strategy for one source, in lists and loops, reading everything again for each token."""

    @staticmethod
    def logits(model, source, ids, config):
        """The logits of the next token, under the penalties, as a list."""
        out = model(source[None], np.array([[model.config.bos_id, *ids]]))[0, -1].astype(np.float64).tolist()
        for token in set(ids):
            out[token] *= config.repetition_penalty if out[token] < 0 else 1 / config.repetition_penalty
        n = config.no_repeat_ngram
        have = {tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)} if n else set()
        return [-math.inf if (*ids[len(ids) - n + 1 :], token) in have else one for token, one in enumerate(out)]

    def walk(self, model, source, max_len, config, key):
        """Greedy decoding and sampling: the ids."""
        ids, numbers = [], uniforms(key, max_len)
        while len(ids) < max_len:
            token = self.choose(self.logits(model, source, ids, config), config, numbers[len(ids)])
            if token == model.config.eos_id:
                break
            ids.append(token)
        return ids

    @staticmethod
    def choose(logits, config, number):
        ranked = sorted(range(len(logits)), key=lambda token: -logits[token])
        if config.temperature == 0:
            return ranked[0]
        weights = [math.exp((one - logits[ranked[0]]) / config.temperature) for one in logits]
        kept = ranked[: config.top_k or None]
        total, nucleus, reached = sum(weights[token] for token in kept), [], 0.0
        for token in kept:
            if not nucleus or reached < config.top_p * total:
                nucleus.append(token)
                reached += weights[token]
        number, passed = number * reached, 0.0
        for token in sorted(nucleus):
            passed += weights[token]
            if passed > number:
                return token
        return max(nucleus)

    def search(self, model, source, max_len, config):
        """Beam search: (score, ids) of all that have ended or were cut, the best first."""
        eos, beams = model.config.eos_id, config.beams

        def score(one):
            return one[1] / ((5 + len(one[0])) / 6) ** config.length_penalty

        live, ended = [([], 0.0)], []
        for _ in range(max_len):
            ranked = []
            for ids, total in live:
                logits = self.logits(model, source, ids, config)
                log_sum = math.log(sum(math.exp(one - max(logits)) for one in logits)) + max(logits)
                ranked += [([*ids, token], total + one - log_sum) for token, one in enumerate(logits)]
            ranked.sort(key=lambda one: -one[1])
            ended += [one for one in ranked[:beams] if one[0][-1] == eos]
            live = [one for one in ranked if one[0][-1] != eos][:beams]
            if len(ended) >= beams and score(live[0]) <= sorted(map(score, ended))[-beams]:
                live = []
                break
        found = sorted(ended + live, key=score, reverse=True)
        return [(score(one), [token for token in one[0] if token != eos]) for one in found]


@pytest.fixture
def plain_decoding():
    return PlainDecoding()


class ReadAgain:
    """In the place of the decoder's state: it remembers what has been read, and nothing that was computed."""

    xp = np

    def __init__(self, memory, mask, max_len, source_ids):
        self.memory, self.mask, self.source_ids = memory, mask, source_ids
        self.max_len, self.read = max_len, np.empty((len(memory), 0), int)

    @property
    def batch(self):
        return len(self.read)

    @property
    def length(self):
        return self.read.shape[1]

    def widen(self, count):
        self.reorder(np.repeat(np.arange(len(self.memory)), count))

    def reorder(self, rows):
        self.memory, self.mask, self.source_ids, self.read = (
            array[rows] for array in (self.memory, self.mask, self.source_ids, self.read)
        )

    def reorder_past(self, rows):
        self.read = self.read[rows]


@pytest.fixture
def recorded_logits(monkeypatch):
    """A function that makes a model note the logits of each step; with ``cached=False`` it reads everything again."""

    def record(model, cached=True):
        step, seen = model.decoder.step, []

        def start(memory, memory_mask, max_len, source_ids):
            return ReadAgain(memory, memory_mask, max_len or model.config.max_len, source_ids)

        def read_again(ids, state):
            state.read = np.concatenate([state.read, ids[:, None]], axis=1)
            return model.decoder(state.read, state.memory, state.mask, state.source_ids)[:, -1], state

        def noted(ids, state):
            logits, state = (step if cached else read_again)(ids, state)
            seen.append(logits.copy())
            return logits, state

        monkeypatch.setattr(model.decoder, "step", noted)
        if not cached:
            monkeypatch.setattr(model.decoder, "start", start)
        return seen

    return record


TEXTS = ["天气怎么样", "天", "怎么怎么气气", "气天", "样么怎", "么么么么", "气气天天样样怎"]


@pytest.fixture
def texts():
    """Of different lengths."""
    return list(TEXTS)


@pytest.fixture
def spelling(tiny_model):
    """A function that makes a model whose vocabulary is a tokenizer's, and the tokenizer.

    The end of a sequence is a token that the model says to several of the texts, sooner or later.
    """

    def make(seed=0, dtype=np.float64, **changes):
        tokenizer = SoraTokenizer.learn(TEXTS)
        size = tokenizer.vocab_size
        model = tiny_model(seed, source_vocab_size=size, target_vocab_size=size, **changes)
        model.config = replace(model.config, eos_id=said_at_different_times(model, tokenizer))
        for _, parameter in model.parameters():
            parameter.data = parameter.data.astype(dtype)
        return model, tokenizer

    return make


def said_at_different_times(model, tokenizer):
    """The token whose first places in the model's answers differ the most."""
    outputs = greedy(model, tokenizer.encode(TEXTS, return_tensors="np"), max_len=9)
    tokens = sorted({token for ids in outputs for token in ids if token > 2})
    return max(tokens, key=lambda token: len({ids.index(token) for ids in outputs if token in ids}))
