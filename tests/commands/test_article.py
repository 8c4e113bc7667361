"""``minisora article``: by section, in both languages, as JSON and Markdown, and the walk."""

import json
from functools import partial

import command_line
import numpy as np
import pytest

from minisora import SoraConfig, SoraModel, SoraTokenizer
from minisora.article import ENTRIES, SECTIONS, VERDICTS
from minisora.checkpoint import load

good, mistake = (partial(call, "article") for call in (command_line.good, command_line.mistake))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_section_and_every_claim_is_printed(lang):
    lines = good("--lang", lang).splitlines()
    shown = " ".join("\n".join(lines).split())
    for key, titles in SECTIONS.items():
        title = titles[lang == "zh"]
        assert (f"{key} {title}" if key[0].isdigit() else title) in lines
    for entry in ENTRIES:
        verdict = VERDICTS[entry.verdict][0] if lang == "zh" else entry.verdict
        assert " ".join(f"[{verdict}] {entry.claim(lang)} {entry.why(lang)}".split()) in shown
        assert f"      {entry.command}".rstrip() in lines
        assert f"      {' '.join(entry.files)}".rstrip() in lines
    assert good() == good("--lang", "en")


def test_one_section():
    text = good("--section", "4.2")
    assert "product with V" in text and "GloVe" not in text
    found = json.loads(good("--section", "4.2", "--json"))
    assert found["sections"] == {"4.2": {"en": "Self-attention", "zh": "自注意力"}}
    assert [entry["section"] for entry in found["entries"]] == ["4.2"]


def test_json_has_everything():
    found = json.loads(good("--json"))
    assert list(found["sections"]) == list(SECTIONS) and found["verdicts"] == list(VERDICTS)
    assert [entry["claim_zh"] for entry in found["entries"]] == [entry.claim_zh for entry in ENTRIES]


def test_markdown_is_one_table():
    text = good("--markdown", "--section", "8")
    _, empty, *rows = text.splitlines()
    assert empty == "" and all(row.replace(r"\|", "").count("|") == 5 for row in rows)
    assert len(rows) == 3 + sum(entry.section == "8" for entry in ENTRIES)
    assert "[`kernels/numba_attention.py`](kernels/numba_attention.py)" in text
    assert "[`benchmarks/attention.py`](minisora/benchmarks/attention.py)" in text


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_walk_in_words(lang):
    text = good("--walk", "--lang", lang)
    steps = [line for line in text.splitlines() if "←" in line]
    assert "".join(line.split()[0] for line in steps) == "今天天气晴朗，气温适中。</s>"
    model, tokenizer, _ = load("sora/sora-base")
    assert f"今 {tokenizer.encode('今')[0]} " in text and f"8 × {model.config.d_model}" in text
    assert "q·k / √d_k" in text


def test_the_walk_in_numbers():
    found = json.loads(good("--walk", "--json"))
    assert "".join(found["tokens"]) == found["question"] == "今天天气怎么样？"
    assert found["answer"] == "今天天气晴朗，气温适中。"
    assert np.shape(found["memory"]) == np.shape(found["vectors"]) == np.shape(found["embedded"])
    assert len(found["memory"]) == len(found["ids"]) == 8
    np.testing.assert_allclose(sum(found["attention"]["weights"]), 1, rtol=1e-5)
    assert [step["tokens"][0] for step in found["steps"]] == [*found["answer"], "</s>"]
    assert found["loss"] == pytest.approx(-sum(np.log(step["probabilities"][0]) for step in found["steps"]))


def test_the_walk_of_another_model_that_copies(tmp_path):
    tokenizer = SoraTokenizer.learn(["今天气"])  # the rest of the question is spelt in bytes
    size = tokenizer.vocab_size
    config = SoraConfig(
        source_vocab_size=size, target_vocab_size=size, d_model=8, num_heads=2, d_ff=12, max_len=32, copy=True
    )
    SoraModel(config, np.random.default_rng(0)).save_pretrained(tmp_path / "model", tokenizer)
    text = good("--walk", "--model", tmp_path / "model")
    assert text.startswith("今天天气怎么样？\n") and len([line for line in text.splitlines() if "←" in line]) <= 32
    found = json.loads(good("--walk", "--json", "--model", tmp_path / "model"))
    assert len(found["ids"]) == 4 + 3 * 4


def test_mistakes(tmp_path):
    assert "4.2" in mistake("--section", "4.9")
    assert "exclude" in mistake("--markdown", "--json")
    assert "exclude" in mistake("--markdown", "--walk")
    assert "exclude" in mistake("--walk", "--section", "4.2")
    assert "nowhere" in mistake("--walk", "--model", tmp_path / "nowhere")
