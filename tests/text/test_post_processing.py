"""Each step by hand, what each leaves alone, and that none is on by default."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisora.text.post_processing import PostProcessing, collapse_characters, collapse_fragments, space_scripts

TEXTS = st.text("今天好 ab1，。\n")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("好好好好！！！", "好好！！"),
        ("谢谢，天天", "谢谢，天天"),
        ("100000", "100000"),
        ("……", "……"),
        ("\n\n\n\n", "\n\n"),
        ("请看www.例子.com", "请看www.例子.com"),
        ("wwww", "ww"),
    ],
)
def test_characters(text, expected):
    assert collapse_characters(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("今天晴，今天晴，今天晴。", "今天晴，今天晴。"),
        ("有小雨有小雨有小雨。", "有小雨。"),
        ("研究研究", "研究研究"),
        ("123123", "123123"),
        ("ab, ab, ab, c", "ab, c"),
        ("...!...!", "...!...!"),
        ("十" * 7, "十" * 3 + "十"),
    ],
)
def test_fragments(text, expected):
    assert collapse_fragments(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("用NumPy写了3层。", "用 NumPy 写了 3 层。"),
        ("用 NumPy", "用 NumPy"),
        ("，a。1", "，a。1"),
        ("今é今", "今 é 今"),
        ("长×宽÷高", "长×宽÷高"),
    ],
)
def test_spacing(text, expected):
    assert space_scripts(text) == expected


def test_each_step_has_its_own_switch():
    text = "用用用用NumPy的"
    assert PostProcessing().apply(text) == text
    assert PostProcessing(characters=True).apply(text) == "用用NumPy的"
    assert PostProcessing(spacing=True).apply(text) == "用用用用 NumPy 的"
    assert PostProcessing(stop_words=frozenset("的")).apply(text) == "用用用用NumPy"
    assert PostProcessing(fragments=True).apply("有小雨" * 2) == "有小雨"
    both = PostProcessing(frozenset("的"), None, True, True, True)
    assert both.apply("的雨雨雨停了A，雨雨停了A，") == "雨雨停了 A，"


def test_a_fragment_has_at_most_forty_characters():
    forty = "".join(chr(0x4E00 + i) for i in range(40))
    assert collapse_fragments(forty * 3) == forty
    assert collapse_fragments(f"{forty}，" * 2) == f"{forty}，" * 2


@settings(deadline=None)
@given(TEXTS)
def test_once_is_enough(text):
    for step in (collapse_characters, space_scripts):
        assert step(step(text)) == step(text)
    assert PostProcessing().apply(text) == text


@settings(deadline=None)
@given(TEXTS)
def test_nothing_but_spaces_is_added(text):
    assert space_scripts(text).replace(" ", "") == text.replace(" ", "")
    assert len(collapse_fragments(text)) <= len(text)
