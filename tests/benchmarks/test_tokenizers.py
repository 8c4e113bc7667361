"""The benchmark of tokenizers: its record, and that a lost string is not passed over."""

import json

import pytest
from click.testing import CliRunner

from minisora.benchmarks import tokenizers
from minisora.cli import cli
from minisora.text import SoraTokenizer


def run(*arguments):
    pytest.importorskip("tokenizers")
    return CliRunner().invoke(cli, ["bench", "tokenizers", *map(str, arguments)])


def test_smoke_reports_every_kind(tmp_path):
    result = run("--smoke", "--vocab-size", 1300, "--json", "--out", tmp_path / "result.json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert [row["case"] for row in record["rows"]] == ["characters", "words", "bpe"]
    for row in record["rows"]:
        assert row["lost"] == 0 and row["strings"] == 200 and row["ours"] > 0 and row["tokens"] > 0
    assert len({row["bytes"] for row in record["rows"]}) == 1  # all read the same strings
    assert record["versions"]["tokenizers"]


def test_the_strings_depend_on_the_seed_alone():
    first = list(tokenizers.random_strings(50, 3))
    assert first == list(tokenizers.random_strings(50, 3)) != list(tokenizers.random_strings(50, 4))


def test_a_lost_string_is_counted():
    words = SoraTokenizer.learn(["a b"], "whitespace")
    row = tokenizers.row("whitespace", words, 100, 0)
    assert 50 < row["lost"] <= 100
    assert f"whitespace          100  {row['lost']:>4}" in tokenizers.table([row])
