"""Sources: any text goes in and comes out unchanged."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisora.corpus import build_source, escape, parse_source, unescape

texts = st.text() | st.text(alphabet="\\;=|ab")  # the second is full of marks


def test_the_format_by_hand():
    context = {"城市": "北京", "日期": "明天", "天气": "小雨", "气温": "12", "风": "3级"}
    source = "城市=北京;日期=明天;天气=小雨;气温=12;风=3级|明天北京要带伞吗？"
    assert build_source(context, "明天北京要带伞吗？") == source
    assert parse_source(source) == (context, ("明天北京要带伞吗？",))


def test_marks_by_hand():
    assert escape(r"a;b=c|d\e") == r"a\;b\=c\|d\\e"
    assert build_source({"a=b": "c;d"}, "1+1=?", "x|y") == r"a\=b=c\;d|1+1\=?|x\|y"


@given(texts)
@settings(deadline=None, derandomize=True)
def test_unescape_undoes_escape(text):
    assert unescape(escape(text)) == text


@given(st.dictionaries(texts, texts, max_size=4), st.lists(texts, min_size=1, max_size=4))
@settings(deadline=None, derandomize=True)
def test_parse_undoes_build(context, turns):
    assert parse_source(build_source(context, *turns)) == (context, tuple(turns))


@given(texts)
@settings(deadline=None, derandomize=True)
def test_what_parses_is_built_again_or_refused(source):
    try:
        context, turns = parse_source(source)
    except ValueError:
        return
    assert build_source(context, *turns) == source


@pytest.mark.parametrize("text", ["a\\", "\\n", "\\\\\\x"])
def test_a_stray_backslash_is_refused(text):
    with pytest.raises(ValueError, match="backslash"):
        unescape(text)


@pytest.mark.parametrize(
    "source, message",
    [("a=b", "turn after the facts"), ("a=b;c|d", "key=value"), ("a=b=c|d", "key=value"), ("a=b;a=c|d", "once"),
     ("a|b;c", "backslash"), ("a=b|c=d", "backslash")],
)  # fmt: skip
def test_a_malformed_source_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        parse_source(source)


def test_a_source_needs_a_turn():
    with pytest.raises(ValueError, match="at least one turn"):
        build_source({"a": "b"})
