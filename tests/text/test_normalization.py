"""Normalisation: off unless asked for, and kept with the tokenizer."""

import json

import pytest

from minisora.text import SoraTokenizer
from minisora.text.normalization import normalize

FULL = "Ｈｉ　１２？ｱ㎏e\u0301"


def test_by_hand():
    assert normalize(FULL, None) == FULL
    assert normalize(FULL, "nfkc") == "Hi 12?アkgé"
    assert normalize(FULL, "width") == "Hi 12?ア㎏e\u0301"


def test_only_on_request():
    assert SoraTokenizer.learn([FULL]).decode(SoraTokenizer.learn([FULL]).encode(FULL)) == FULL
    for form in ("nfkc", "width"):
        tokenizer = SoraTokenizer.learn([FULL], normalization=form)
        assert tokenizer.decode(tokenizer.encode(FULL)) == normalize(FULL, form)
        assert tokenizer.encode(FULL) == tokenizer.encode(normalize(FULL, form))
        assert max(map(len, tokenizer.tokens[261:])) == 1 and "Ｈ" not in tokenizer.tokens


def test_the_file_says_so_where_there_is_one():
    plain, folded = SoraTokenizer.learn(["今"]), SoraTokenizer.learn(["今"], normalization="width")
    assert "normalization" not in json.loads(plain.to_json())
    assert SoraTokenizer.from_json(folded.to_json()) == folded != plain
    assert SoraTokenizer.from_json(folded.to_json()).normalization == "width"


@pytest.mark.parametrize("form", ["nfc", "", 3, ["nfkc"], True])
def test_no_normalisation(form):
    with pytest.raises(ValueError, match="normalization must be None, 'nfkc' or 'width', got"):
        SoraTokenizer.learn(["今"], normalization=form)
