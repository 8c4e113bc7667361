"""The bpe kind: its merges by hand, the library behind its door, and what it refuses."""

import contextlib
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisora.text import SoraTokenizer
from minisora.text.bpe_library import BLOCK, SPELLING, blocks

A, B, C = 5 + ord("a"), 5 + ord("b"), 5 + ord("c")


def test_by_hand():
    """ab first, then abc; abab is two of the first, since nobody learnt more."""
    pytest.importorskip("tokenizers")
    bpe = SoraTokenizer("bpe", [(A, B), (261, C)])
    assert bpe.vocab_size == 263 and bpe.tokens[261:] == ["ab", "abc"]
    assert bpe.encode("ababc") == [261, 262]
    assert bpe.encode("cab é") == [C, 261, 5 + ord(" "), 5 + 0xC3, 5 + 0xA9]


def test_two_merges_may_make_one_token():
    pytest.importorskip("tokenizers")
    bpe = SoraTokenizer("bpe", [(A, B), (B, C), (261, C), (A, 262)])
    assert bpe.tokens[261:] == ["ab", "bc", "abc"]
    assert bpe.encode("abc bc") == [263, 5 + ord(" "), 262]


def test_learning_by_hand():
    """l + o occurs five times and comes first, then lo + w four times; nothing else occurs twice."""
    pytest.importorskip("tokenizers")
    bpe = SoraTokenizer.learn(["low", "low", "low", "low", "lot"], "bpe")
    assert bpe.tokens[261:] == ["lo", "low"]
    assert bpe == SoraTokenizer.learn(["lot", "low", "low", "low", "low"], "bpe")
    assert SoraTokenizer.learn(["low", "low", "lot"], "bpe", vocab_size=262).tokens[261:] == ["lo"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=40), st.text("abc今 ", max_size=30))
def test_any_merges_that_pass_encode_any_text(choices, text):
    """Merges that nobody would learn: the library must not stumble over them."""
    pytest.importorskip("tokenizers")
    bpe = SoraTokenizer("bpe", [])
    for left, right in choices:
        known = [A, B, C, 5 + ord(" "), *(5 + byte for byte in "今".encode()), *range(261, bpe.vocab_size)]
        pair = known[left % len(known)], known[right % len(known)]
        with contextlib.suppress(ValueError):  # there already, or too long
            bpe = SoraTokenizer("bpe", [*bpe._vocabulary.learnt, pair])
    assert bpe.decode(bpe.encode(text)) == text


def test_part_of_a_character_is_no_mojibake():
    bpe = SoraTokenizer("bpe", [(5 + 0xE4, 5 + 0xBB), (261, 5 + 0x8A)])
    assert bpe.tokens[261:] == ["<0xE4><0xBB>", "今"]


def test_each_byte_has_a_spelling_of_its_own():
    tokenizers = pytest.importorskip("tokenizers")
    assert sorted(SPELLING) == list(range(256))
    assert set(SPELLING.values()) == set(tokenizers.pre_tokenizers.ByteLevel.alphabet())


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    bpe = SoraTokenizer.from_json(SoraTokenizer("bpe", [(A, B)]).to_json())  # a file can be read, and its ids decoded
    assert bpe.decode([261, C]) == "abc"
    for call in (lambda: bpe.encode("ab"), lambda: SoraTokenizer.learn(["ab"], "bpe")):
        with pytest.raises(ValueError, match=r"needs the library tokenizers: pip install 'minisora\[text\]'$"):
            call()


def test_blocks_are_the_text_and_change_no_token():
    pytest.importorskip("tokenizers")
    text = "Hello, world; 今天天气好。It's 3.14 " * (2 * BLOCK // 16)
    parts = list(blocks(text))
    assert "".join(parts) == text and len(parts) > 2 and max(map(len, parts)) <= 2 * BLOCK
    bpe = SoraTokenizer.learn([text[:2000]] * 2, "bpe", vocab_size=300)
    whole = bpe._vocabulary._library or (bpe.encode("a"), bpe._vocabulary._library)[1]
    assert bpe.encode(text) == whole.encode(text, add_special_tokens=False).ids
    assert list(blocks("a" * 5 * BLOCK)) == ["a" * 2 * BLOCK, "a" * 2 * BLOCK, "a" * BLOCK]
    assert list(blocks("")) == [""]


@pytest.mark.parametrize(
    "merges, message",
    [
        ([(A, B), (A, B)], "merge 1 occurs before"),
        ([(A, 261)], "merge 0 must be two ids from 5 to 260, got"),
        ([(A, B), (261, 262)], "merge 1 must be two ids from 5 to 261, got"),
        ([(0, B)], "merge 0 must be"),
        ([(-1, B)], "merge 0 must be"),
        ([(A, True)], "merge 0 must be"),
        ([(A, 7.0)], "merge 0 must be"),
        ([(A, B, C)], "merge 0 must be"),
        (["ab"], "merge 0 must be"),
        ([(A, A), *((261 + i, 261 + i) for i in range(40))], "more than 256 bytes"),
    ],
)
def test_no_merges(merges, message):
    with pytest.raises(ValueError, match=message):
        SoraTokenizer("bpe", merges)
