"""One small tokenizer of each kind that loses nothing, and segmentation by brute force."""

import itertools

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
