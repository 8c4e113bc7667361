"""What a token is called: the slice of the text that it covers, never the wrong letters for half a character."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisora.text import SoraTokenizer
from minisora.text.labels import piece_labels, piece_offsets


def test_by_hand():
    """今 has three bytes, a one, é two: tokens of two, three and one bytes."""
    assert piece_labels("今aé", [2, 3, 1]) == ["今[1-2/3]", "今[3/3]aé[1/2]", "é[2/2]"]
    assert piece_offsets("今aé", [2, 3, 1]) == [(0, 1), (0, 3), (2, 3)]


def test_bytes_of_an_unknown_character():
    tokenizer = SoraTokenizer.learn(["今天"])
    assert tokenizer.labels("今饕天") == ["今", "饕[1/3]", "饕[2/3]", "饕[3/3]", "天"]
    assert tokenizer.offsets("今饕天") == [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)]
    assert tokenizer.labels("今", add_bos=True, add_eos=True) == ["<s>", "今", "</s>"]


def test_words_between_white_space_show_what_stands_in_the_text():
    tokenizer = SoraTokenizer.learn(["h o"], "whitespace")
    assert tokenizer.labels(" h\tnew\n") == ["h", "new"]
    assert tokenizer.offsets(" h\tnew\n") == [(1, 2), (3, 6)]


def test_a_normalised_text_has_the_places():
    tokenizer = SoraTokenizer.learn(["㎏"], normalization="nfkc")
    assert tokenizer.labels("㎏") == ["k", "g"] and tokenizer.offsets("㎏") == [(0, 1), (1, 2)]


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_one_label_a_token_and_the_slices_cover_the_text(lossless, text):
    ids, labels, offsets = lossless.encode(text), lossless.labels(text), lossless.offsets(text)
    assert len(ids) == len(labels) == len(offsets)
    assert {place for start, stop in offsets for place in range(start, stop)} == set(range(len(text)))
    for label, (start, stop) in zip(labels, offsets, strict=True):
        covered = text[start:stop]
        assert label == covered or ("[" in label and all(character in label for character in covered))


@pytest.mark.parametrize("text", ["今天北京", "hello world"])
def test_learnt_tokens_are_plain_slices(lossless, text):
    assert "".join(lossless.labels(text)) == text
