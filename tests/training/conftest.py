"""A small task and a model that is quick to train on it: the source backwards."""

import random

import numpy as np
import pytest

from minisora.config import SoraConfig
from minisora.model import SoraModel
from minisora.text.tokenizer import SoraTokenizer


@pytest.fixture(scope="session")
def pairs():
    """113 pairs of different lengths."""
    dice = random.Random(5)
    sources = ["".join(dice.choice("甲乙丙丁戊") for _ in range(dice.randint(1, 7))) for _ in range(113)]
    return [(source, source[::-1]) for source in sources]


@pytest.fixture(scope="session")
def tokenizer():
    return SoraTokenizer.learn(["甲乙丙丁戊"])


@pytest.fixture
def make_model(tokenizer):
    """A function that makes the same model again and again."""

    def make(*, dtype=np.float32, **changes):
        sizes = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size}
        shape = {
            "d_model": 12,
            "num_heads": 3,
            "d_ff": 17,
            "num_encoder_layers": 1,
            "num_decoder_layers": 2,
            "max_len": 19,
        }
        return SoraModel(
            SoraConfig(**{**sizes, **shape, "tie": "all", **changes}), np.random.default_rng(0), dtype=dtype
        )

    return make
