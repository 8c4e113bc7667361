"""Stop words: by hand, with and without a segmenter, and the user's own lists."""

import pytest

from minisora.text import SoraTokenizer
from minisora.text.stop_words import STOP_WORDS, read_stop_words, remove_stop_words, words_by

ENGLISH, CHINESE = STOP_WORDS["en"], STOP_WORDS["zh"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The cat sat on the mat.", "cat sat mat."),
        ("look at", "look"),
        ("Is it?", "?"),
        ("anthem, island", "anthem, island"),
        ("it's the end", "it's end"),
        ("a well-known A4 is up-to-date, as2", "well-known A4 up-to-date, as2"),
        ("a  b", "b"),
        ("  x  y ", "  x  y "),
        ("", ""),
    ],
)
def test_english_by_hand(text, expected):
    assert remove_stop_words(text, ENGLISH) == expected


def test_chinese_by_hand():
    assert remove_stop_words("今天的天气真的很好啊。", CHINESE) == "今天天气好。"
    assert remove_stop_words("首都这个地方就业好，太阳大", CHINESE) == "首都地方就业好，太阳大"
    assert remove_stop_words("今天的weather is好", CHINESE | ENGLISH) == "今天weather好"


def test_a_segmenter_keeps_the_words_whole():
    words = SoraTokenizer("words", [("目的", -1.0), ("我", -2.0), ("的", -2.0), ("目", -5.0)])
    assert remove_stop_words("我的目的", CHINESE) == "我目"
    assert remove_stop_words("我的目的", CHINESE, words_by(words)) == "我目的"


@pytest.mark.parametrize("normalization", [None, "nfkc", "width"])
def test_characters_that_the_tokenizer_spells_in_bytes_stay(normalization):
    """U+F9DC, a compatibility character, becomes 隆 in NFKC: not here."""
    words = SoraTokenizer("words", [("我", -2.0), ("的", -2.0)], normalization=normalization)
    assert remove_stop_words("我的饕餮𠮷\uf9dc", CHINESE, words_by(words)) == "我饕餮𠮷\uf9dc"


def test_no_stop_word_turns_an_answer_round():
    assert not {"不", "没", "没有", "别"} & CHINESE and not {"not", "no", "never"} & ENGLISH
    assert all(word == word.casefold().strip() for word in CHINESE | ENGLISH)


def test_lists_by_name_and_from_a_file(tmp_path):
    assert read_stop_words("zh") == CHINESE and read_stop_words("en") == ENGLISH
    path = tmp_path / "mine.txt"
    path.write_text("\ufeff# mine\nFoo\n\n那么  # often\n", encoding="utf-8")
    assert read_stop_words(str(path)) == {"foo", "那么"}
    path.write_bytes(b"\xff")
    for name, reason in ((path, "not UTF-8"), (tmp_path / "none", "No such file"), (tmp_path, "directory")):
        with pytest.raises(ValueError, match=f"expected zh, en or a file of stop words, got .*{reason}"):
            read_stop_words(str(name))
