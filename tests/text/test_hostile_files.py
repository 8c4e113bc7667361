"""Damaged and malicious tokenizer files: a tokenizer or a ValueError of one sentence, and nothing else."""

import json
import random

import pytest

from minisora.text import SoraTokenizer

JUNK = (
    None, True, -1, 0, 5, 260, 261, 262, 1.5, 1e999, -1e999, 10**300, "", "a", "今天", "\ud800", "<s>", "bpe", [], {},
    [[]], [5, 5], [5, 6, 7], {"a": 1}, "x" * 300,
)  # fmt: skip


def places(value, path=()):
    """The path of everything in a JSON value."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inside:
        yield from places(part, (*path, key))


def damaged(content, dice):
    """The content with one part exchanged, taken away, doubled or added."""
    content = json.loads(json.dumps(content))
    path = dice.choice([path for path in places(content) if path])
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    action = dice.randrange(4)
    if action == 0:
        del holder[path[-1]]
    elif action == 1 and isinstance(holder, list):
        holder.insert(path[-1], holder[path[-1]])
    elif action == 2 and isinstance(holder, dict):
        holder[dice.choice(("tokens", "scores", "merges", "normalization", "more"))] = dice.choice(JUNK)
    else:
        holder[path[-1]] = dice.choice(JUNK)
    return content


def load_and_use(text):
    """Whatever is not refused must work."""
    try:
        tokenizer = SoraTokenizer.from_json(text)
    except ValueError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
        return False
    for text in ("", "今天ab <s>", "abcabc天天\U0001f600"):
        assert tokenizer.normalization or tokenizer.decode(tokenizer.encode(text)) == text
    return True


def test_a_thousand_damaged_files(lossless):
    content, dice = json.loads(lossless.to_json()), random.Random(7)
    used = [load_and_use(json.dumps(damaged(damaged(content, dice), dice))) for _ in range(500)]
    used += [load_and_use(json.dumps(damaged(content, dice))) for _ in range(500)]
    assert 10 < sum(used) < 990


def test_cut_files_and_flipped_characters(lossless):
    text, dice = lossless.to_json().strip(), random.Random(8)
    for _ in range(300):
        place = dice.randrange(len(text))
        assert not load_and_use(text[:place])
        load_and_use(text[:place] + chr(dice.randrange(128)) + text[place + 1 :])


@pytest.mark.parametrize(
    "kind, field", [("words", "tokens"), ("words", "scores"), ("bpe", "merges"), (None, "version")]
)
def test_nesting_of_any_depth(kind, field):
    """Where json.loads just manages, showing what came must manage too."""
    if kind == "bpe":
        pytest.importorskip("tokenizers")
    fields = {"characters": {"tokens": []}, "words": {"tokens": ["a"], "scores": [-1]}, "bpe": {"merges": []}}
    content = {"format": "minisora-tokenizer", "version": 1, "kind": kind or "characters"}
    content |= fields[content["kind"]] | {field: "HERE"}
    for depth in (*range(1, 1200, 13), 5000, 100_000):
        assert not load_and_use(json.dumps(content).replace('"HERE"', "[" * depth + "]" * depth)) or depth == 1


@pytest.mark.parametrize("model", [{"type": "BPE", "vocab": {}, "merges": []}, {"type": "Unigram", "vocab": []}, None])
def test_a_file_of_the_library_is_no_file_of_ours(model):
    """It would have to be trusted: minisora gives the library merges that it has checked, and never a file."""
    text = json.dumps({"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "ByteLevel"}, "model": model})
    with pytest.raises(ValueError, match='must be a JSON object with "format": "minisora-tokenizer"'):
        SoraTokenizer.from_json(text)


@pytest.mark.parametrize("name", ["normalization", "kind", "version"])
@pytest.mark.parametrize("value", [[], {}, ["words"], 3.5, "none"])
def test_fields_of_the_wrong_type(lossless, name, value):
    assert not load_and_use(json.dumps(json.loads(lossless.to_json()) | {name: value}))


def test_the_file_is_read_as_it_was_written(lossless, tmp_path):
    lossless.save(tmp_path / "tokenizer.json")
    back = SoraTokenizer.load(tmp_path / "tokenizer.json")
    assert back == lossless and back.tokens == lossless.tokens and back.to_json() == lossless.to_json()
