"""Files of pairs: what is written is read back; a broken line is named, never skipped."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minisora.corpus import read_pairs, test_set, write_pairs

PAIRS = [("城市=北京|要带伞吗？", "不用带伞。"), (r"a\;b", " leading and trailing "), ("\u2028\x85\x0b", "“,\"'")]
texts = st.text(st.characters(codec="utf-8"), min_size=1)


@pytest.mark.parametrize("suffix", ["tsv", "jsonl"])
def test_pairs_come_back(tmp_path, suffix):
    path = tmp_path / f"pairs.{suffix}"
    write_pairs(path, PAIRS)
    assert read_pairs(str(path)) == PAIRS
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@given(pairs=st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_jsonl_holds_any_text(tmp_path, pairs):
    write_pairs(tmp_path / "any.jsonl", pairs)
    assert read_pairs(tmp_path / "any.jsonl") == pairs


def test_examples_keep_their_fields_in_jsonl(tmp_path):
    examples = test_set("iid", 20)
    write_pairs(tmp_path / "iid.jsonl", examples)
    write_pairs(tmp_path / "iid.tsv", examples)
    assert read_pairs(tmp_path / "iid.jsonl") == read_pairs(tmp_path / "iid.tsv")
    first = json.loads((tmp_path / "iid.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert (first["intent"], first["split"]) == (examples[0].intent, "iid")


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.tsv", b"a\tb\nno tab\n", ":2: expected source<TAB>target, got 0 tabs"),
        ("a.tsv", b"a\tb\tc\n", ":1: expected source<TAB>target, got 2 tabs"),
        ("a.tsv", b"a\tb\n\nc\td\n", ":2: expected source<TAB>target"),
        ("a.tsv", b"a\tb\n\n", ":2: expected source<TAB>target"),
        ("a.tsv", b"a\t\n", ":1: expected a target of at least one"),
        ("a.tsv", b"\tb\n", ":1: expected a source of at least one"),
        ("a.tsv", b"a\tb\na\t\xff\n", ":2: expected UTF-8, got the byte 0xff"),
        ("a.tsv", b"", ": expected at least one line"),
        ("a.jsonl", b'{"source": "a", "target": "b"}\n{"source": "a"\n', ":2: expected a JSON object"),
        ("a.jsonl", b'["a", "b"]\n', ":1: expected a JSON object, got list"),
        ("a.jsonl", b'{"source": "a"}\n', ":1: expected a string under 'target'"),
        ("a.jsonl", b'{"source": "a", "target": 3}\n', ":1: expected a string under 'target', got 3"),
        ("a.jsonl", b'{"source": "a", "target": "\\ud800"}\n', ":1: expected Unicode text, got a lone surrogate"),
        ("a.jsonl", b"[" * 100_000, ":1: expected a JSON object, got one nested"),
        ("a.csv", b"a,b\n", "expected a file name that ends in .tsv or .jsonl"),
    ],
)
def test_a_broken_line_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        read_pairs(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_files_of_other_systems_are_read(tmp_path):
    path = tmp_path / "windows.tsv"
    path.write_bytes(b"\xef\xbb\xbfa\tb\r\nc\td")  # byte order mark, CR LF, no line break at the end
    assert read_pairs(path) == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    "name, pair",
    [("a.tsv", ("a\tb", "c")), ("a.tsv", ("a", "b\n")), ("a.tsv", ("a", "b\r")), ("a.tsv", ("", "b")),
     ("a.jsonl", ("a", "")), ("a.jsonl", ("\ud800", "b")), ("a.tsv", ("a", "\udfff"))],
)  # fmt: skip
def test_what_would_not_come_back_is_not_written(tmp_path, name, pair):
    path = tmp_path / name
    path.write_text("the old file", encoding="utf-8")
    with pytest.raises(ValueError, match=r":2: expected"):
        write_pairs(path, [("fine", "fine"), pair])
    assert path.read_text(encoding="utf-8") == "the old file"
    assert len(list(tmp_path.iterdir())) == 1
