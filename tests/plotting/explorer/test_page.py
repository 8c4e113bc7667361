"""The page as a file: what stands in it, and what cannot."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from minisora import SoraConfig, SoraModel, SoraTokenizer
from minisora.plotting.explorer import attention_explorer
from minisora.plotting.explorer.page import FOLDER, SCRIPTS, digest, html, json_in_html

HOSTILE = "</script><b>&\"'\u2028<!--<script>"


class Elements(HTMLParser):
    """Every element with its attributes and the text in it."""

    def __init__(self, page):
        super().__init__()
        self.found, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes), []))
        self.open.append(self.found[-1])

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if self.open:
            self.open[-1][2].append(data)

    def all(self, tag):
        return [(attributes, "".join(text)) for kind, attributes, text in self.found if kind == tag]


@pytest.fixture
def explorer(speaking):
    return attention_explorer(*speaking("copies"), HOSTILE[:20], answer="<b>&")


def test_nothing_runs_but_its_own_script(explorer):
    """The policy knows the one script and the one style by their hashes; the content is no script."""
    page = Elements(explorer.html)
    data, script = sorted(page.all("script"), key=lambda one: one[0]["type"])
    assert data[0] == {"type": "application/json", "id": "content"} and script[0] == {"type": "module"}
    ((_, style),) = page.all("style")
    (policy,) = (found["content"] for found, _ in page.all("meta") if "http-equiv" in found)
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    assert f"script-src '{digest(script[1])}'; style-src '{digest(style)}'" in policy
    assert not page.all("link")


def test_hostile_tokens_end_nothing(speaking):
    explorer = attention_explorer(*speaking(), HOSTILE, answer="<b>")
    page = Elements(explorer.html)
    assert len(page.all("script")) == 2 and not page.all("b")
    (content,) = (text for found, text in page.all("script") if found.get("id") == "content")
    assert json.loads(content) == explorer.content
    assert explorer.content["source"]["text"] == HOSTILE
    assert not re.search("[<>&\u2028\u2029]", content)


def test_escapes_are_json(rng):
    text = "".join(map(chr, rng.integers(0, 0xD800, 5000))) + HOSTILE + "\u2029\U0001f600"
    escaped = json_in_html({"text": text})
    assert json.loads(escaped) == {"text": text} and not re.search("[<>&\u2028\u2029]", escaped)
    with pytest.raises(ValueError, match="JSON"):
        json_in_html([float("nan")])


def test_it_fetches_nothing_and_makes_no_markup():
    for path in FOLDER.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|[\"'(]//|@import|url\(", text), path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function", text), path
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"style=|\son\w+=|javascript:", page)


def test_modules_import_from_those_before_them():
    """So they can be joined; and no two say the same name at the top."""
    assert {path.name for path in FOLDER.glob("*.js")} == set(SCRIPTS)
    names = []
    for place, name in enumerate(SCRIPTS):
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert set(re.findall(r'from "\./([\w.]+)"', text)) <= set(SCRIPTS[:place]), name
        names += re.findall(r"^(?:export )?(?:async )?(?:function\*?|const|let|class) (\w+)", text, re.MULTILINE)
    assert len(names) == len(set(names))
    assert not re.search(r"^\s*(import|export)\b", html({}), re.MULTILINE)


def test_both_languages_have_every_text():
    text = (FOLDER / "texts.js").read_text(encoding="utf-8")
    chinese, english = (re.findall(r"^    (?:  )?(\w+):", part, re.MULTILINE) for part in text.split("  en: {"))
    assert chinese == english and len(chinese) > 60
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'data-(?:text|label)="(\w+)"', page)) <= set(chinese)
    scripts = "".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS[1:])
    used = set(re.findall(r'\btext\("(\w+)"', scripts)) | set(
        re.findall(r'\btext\([^"()]*\? "(\w+)" : "(\w+)"', scripts)[0]
    )
    assert used <= set(chinese)


@pytest.mark.parametrize("length, most", [(64, 7_000_000), (128, 8_500_000)])
def test_its_size(length, most):
    """With 4 + 4 layers of 5 heads: so many bytes at most, the gradients of as many tokens as fit among them."""
    text = "天气怎么样呢今日" * (length // 8)
    tokenizer = SoraTokenizer.learn([text])
    size = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size}
    config = SoraConfig(**size, d_model=40, num_heads=5, num_encoder_layers=4, num_decoder_layers=4, d_ff=40)
    explorer = attention_explorer(SoraModel(config, np.random.default_rng(0)), tokenizer, text, answer=text[1:])
    assert len(explorer.content["source"]["tokens"]) == len(explorer.content["target"]["written"]) == length
    assert 1_000_000 < len(explorer.html.encode("utf-8")) < most


def test_it_is_written_whole(explorer, tmp_path):
    explorer.save(tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == explorer.html
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
