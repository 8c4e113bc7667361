"""``minisora attend``: the table, the page, the figures, and mistakes in one line."""

import json
import re
import xml.etree.ElementTree as ElementTree
from functools import partial

import command_line
import pytest

QUESTION = "今天天气怎么样？"


good, mistake = (partial(call, "attend") for call in (command_line.good, command_line.mistake))


def content_of(path):
    """The content of a page."""
    page = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="content">(.*?)</script>', page, re.DOTALL)[1])


def test_a_table_of_where_it_looked():
    lines = good(QUESTION).splitlines()
    question, answer = lines[0].split("  →  ")
    assert question == QUESTION
    assert "".join(line.split()[0] for line in lines[1:]) == f"{answer}</s>"
    for line in lines[1:]:
        weights = [float(weight) for weight in re.findall(r"\S (0\.\d\d|1\.00)(?=  |$)", line.split("←")[1])]
        assert len(weights) == 3 and weights == sorted(weights, reverse=True)


def test_the_page_has_the_gradients_of_every_token(tmp_path):
    good("北京要带伞吗？", "--context", "城市=北京;天气=小雨", "--html", tmp_path / "a.html")
    content = content_of(tmp_path / "a.html")
    assert content["source"]["text"] == "城市=北京;天气=小雨|北京要带伞吗？"
    assert len(content["gradients"]) == 1 + len(content["target"]["written"])
    good(QUESTION, "--html", tmp_path / "a.html", "--no-gradients")
    assert content_of(tmp_path / "a.html")["gradients"] == []


def test_an_answer_of_ones_own(tmp_path):
    good(QUESTION, "--answer", "今天下雪。", "--html", tmp_path / "a.html")
    assert content_of(tmp_path / "a.html")["target"]["written"] == [*"今天下雪。", "</s>"]


@pytest.mark.parametrize("kind", ["cross", "encoder", "decoder"])
def test_figures(tmp_path, kind):
    for name in ("a.svg", "b.svg"):
        good(QUESTION, "--png", tmp_path / "a.png", "--svg", tmp_path / name, "--kind", kind)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    svg = (tmp_path / "a.svg").read_bytes()
    assert ElementTree.fromstring(svg).tag.endswith("}svg") and (tmp_path / "b.svg").read_bytes() == svg


def test_mistakes(tmp_path):
    assert "expected a question, got an empty text" in mistake(" ")
    assert "a folder that is there, got" in mistake(QUESTION, "--html", tmp_path / "no" / "a.html")
    assert "key=value" in mistake(QUESTION, "--context", "北京")
    assert "tokens is expected" in mistake("天" * 2000)
    assert "tokens is expected" in mistake(QUESTION, "--answer", "天" * 2000)
    assert not list(tmp_path.iterdir())
