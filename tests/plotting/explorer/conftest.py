"""What the tests of the explorer share: models of every kind whose vocabulary is a tokenizer's."""

import pytest

from minisora import SoraTokenizer

QUESTION = "天气怎么样？"
KINDS = {
    "transformer": {},
    "post-norm": {"norm": "post", "tie": "all"},
    "copies": {"copy": True, "num_decoder_layers": 3},
    "recurrent": {"encoder": "rnn", "cell": "gru"},
}


@pytest.fixture
def speaking(tiny_model):
    """A function that makes a model of a kind, in float64, and its tokenizer."""

    def make(kind="transformer", **changes):
        tokenizer = SoraTokenizer.learn([QUESTION, "<b>&\"'\u2028</script>"])
        size = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size}
        return tiny_model(**{**KINDS[kind], **size, **changes}), tokenizer

    return make


@pytest.fixture(params=KINDS)
def every_kind(request, speaking):
    """A model of each kind, and its tokenizer."""
    return speaking(request.param)
