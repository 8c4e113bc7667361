"""Fixed sets of examples for evaluation, and the alphabet of the whole stream."""

from functools import cache
from string import Formatter

from minisora.corpus import (
    customer_service,
    dialogue,
    education,
    faq,
    frames,
    generation_texts,
    question_answering,
    weather,
)
from minisora.corpus.intents import DECLINE
from minisora.corpus.stream import Example, stream
from minisora.corpus.values import CITIES, COLOURS, COUNTS, DATES, GOODS, LETTERS, MODIFIERS

TEST_SEED = "test"  # of the fixed sets; a training's seed is an integer
MODULES = (weather, customer_service, question_answering, dialogue, education, generation_texts)


@cache
def test_set(split, n=1000):
    """Return the fixed set of a held-out split, or ``dev``: the first n examples with different sources.

    Returns
    -------
    tuple of Example
    """
    return _distinct(stream(TEST_SEED, split), n)


test_set.__test__ = False  # pytest takes what it finds under such a name for a test


@cache
def train_sample(n=1000, seed=0):
    """Return what a training with ``seed`` sees first, without the FAQ: to be printed beside the test sets."""
    return _distinct((drawn for drawn in stream(seed) if drawn.scenario != "faq"), n)


def faq_set():
    """Return the pairs of the FAQ, which are in training alone."""
    pairs = faq.PAIRS.items()
    return tuple(Example(question, answer, "faq", "faq.pairs", "train", "", (question,)) for question, answer in pairs)


def _distinct(examples, n):
    seen = {}
    for drawn in examples:
        seen.setdefault(drawn.source, drawn)
        if len(seen) == n:
            return tuple(seen.values())
    raise AssertionError("a stream has no end")


@cache
def alphabet():
    """Return every character of the stream, sorted, as one string: a tokenizer needs no sample to know them all."""
    texts = [DECLINE, "0123456789-\\;=|。？", *frames.ANY, *frames.QUESTION, *frames.REQUEST, *frames.AFTER]
    texts += [text for pair in faq.PAIRS.items() for text in pair]
    texts += [*CITIES, *DATES, *COUNTS, *MODIFIERS, *GOODS, *COLOURS, LETTERS]
    for module in MODULES:
        texts += [*module.WORDS, *map(_literals, module.ANSWERS)]
        intents = [*module.INTENTS, *getattr(module, "ARITHMETIC_INTENTS", ())]
        texts += [_literals(template.text) for intent in intents for template in intent.training]
    return "".join(sorted(set("".join(map(_literals, texts)))))


def _literals(text):
    """Return a pattern without its fields."""
    return "".join(literal for literal, *_ in Formatter().parse(text))
