"""Every string of Unicode scalar values comes back, short or long, from every kind that promises it."""

import pytest

from minisora.benchmarks.tokenizers import LITERALS, random_strings
from minisora.text import SoraTokenizer

PIECE = "今天北京天气怎么样？ Hello, wörld! 3.14 \U0001f600\n饕餮\t<s> e\u0301\r\n"
LONG = {"mixed": PIECE, "Chinese": "今天", "one word": "a", "spaces": " ", "accents": "\u0301"}


def test_twenty_thousand_strings(lossless):
    for text in random_strings(20_000, seed=1):
        ids = lossless.encode(text)
        assert lossless.decode(ids) == text
        assert all(token > lossless.sep_id for token in ids)  # no text makes a special token


def test_the_strings_are_awkward():
    texts = list(random_strings(20_000, seed=1))
    joined = "".join(texts)
    assert "" in texts and all(literal in joined for literal in LITERALS)
    assert any(text[:1].isspace() for text in texts) and any(text[-1:].isspace() for text in texts)
    assert any(character > "\U0010f000" for character in joined) and "\0" in joined
    assert not any("\ud800" <= character <= "\udfff" for character in joined)


@pytest.mark.parametrize("text", [*LITERALS, "\0", "\ufeff", "\U0010ffff", "\uffff", " ", "\n\n", "\u0301", " <s> "])
def test_single_strings(lossless, text):
    assert lossless.decode(lossless.encode(text, add_bos=True, add_eos=True)) == text


def megabytes(text, count):
    return text * (count * 1_000_000 // len(text.encode()))


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_one_megabyte(lossless, text):
    long = megabytes(text, 1)
    assert lossless.decode(lossless.encode(long)) == long


@pytest.mark.slow
@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_ten_megabytes(lossless, text):
    long = megabytes(text, 10)
    assert lossless.decode(lossless.encode(long)) == long


def test_white_space_is_no_such_kind():
    words = SoraTokenizer.learn(["a b"], "whitespace")
    assert words.decode(words.encode(" a  b ")) == "a b"
