"""One small tokenizer of each kind that loses nothing, segmentation by brute force, and a text of known structure."""

import itertools

import numpy as np
import pytest

from minisora.text import SoraTokenizer

TEXTS = [
    "今天北京天气怎么样？",
    "北京今天天气晴朗。",
    "明天天气怎么样？",
    "hello world, hello <s>",
    "the world of 天气",
] * 3


@pytest.fixture(scope="session", params=["characters", "words", "bpe"])
def lossless(request):
    if request.param == "bpe":
        pytest.importorskip("tokenizers")
    return SoraTokenizer.learn(TEXTS, request.param, vocab_size=None if request.param == "characters" else 330)


@pytest.fixture(scope="session")
def all_segmentations():
    """A function that yields every segmentation of a text: cut, or not, between any two characters."""

    def generate(text):
        for cuts in itertools.product([False, True], repeat=max(0, len(text) - 1)):
            places = [0, *(i for i, cut in enumerate(cuts, 1) if cut), len(text)]
            yield [text[a:b] for a, b in itertools.pairwise(places)] if text else []

    return generate


FRUITS, TOOLS = ("apple", "pear", "plum", "fig"), ("saw", "axe", "file", "rasp")
EATING, WORKING = ("eat", "peel", "ripe", "sweet"), ("cut", "wood", "sharp", "steel")


@pytest.fixture(scope="session")
def planted():
    """Sentences in which fruits stand among words of eating and tools among words of working, never two together."""
    rng = np.random.default_rng(3)
    sentences = []
    for _ in range(1500):
        names, around = (FRUITS, EATING) if rng.random() < 0.5 else (TOOLS, WORKING)
        before, after = rng.choice(around, 2), rng.choice(around, 2)
        sentences.append([*map(str, before), str(rng.choice(names)), *map(str, after)])
    return sentences


@pytest.fixture(scope="session")
def structure_found():
    """A function that tells whether the three nearest of the names of each group are the others of the group.

    They never stand together: it is what they share that makes them alike.
    """

    def found(vectors):
        names = FRUITS + TOOLS
        for group in (FRUITS, TOOLS):
            for word in group:
                nearest = [other for other, _ in vectors.nearest(word, len(vectors)) if other in names]
                assert set(nearest[:3]) == set(group) - {word}, (word, nearest)
        return True

    return found
