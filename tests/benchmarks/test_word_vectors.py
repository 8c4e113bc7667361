"""The bench of word vectors: the interval by hand, the run on a toy text, and what is said when data are missing."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from minisora.benchmarks import word_vectors
from minisora.cli import cli


def run(*arguments):
    return CliRunner().invoke(cli, ["bench", "word-vectors", *map(str, arguments)])


@pytest.fixture
def data(tmp_path):
    """Text of two groups of words that never mix, and pairs of them: the alike ones have the higher scores."""
    rng = np.random.default_rng(0)
    groups = ["Apple pear plum fig".split(), "saw axe file rasp".split()]
    lines = [" ".join(rng.choice(groups[rng.integers(2)], 12)) for _ in range(300)]
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "README.txt").write_text("not a word of this counts " * 9, encoding="utf-8")
    pairs = "apple pear 9\nplum fig 8\nsaw axe 9\nfile rasp 7\napple saw 1\npear axe 2\nfig rasp 1\nplum tree 5\n"
    for name in word_vectors.PAIRS.values():
        (tmp_path / name).write_text(pairs, encoding="utf-8")
    return tmp_path


def test_smoke_reports(data, tmp_path, monkeypatch):
    monkeypatch.setattr(word_vectors, "RESAMPLES", 20)
    pytest.importorskip("gensim")
    result = run("--data", data, "--smoke", "--rounds", 1, "--json", "--out", tmp_path / "result.json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert [row["case"] for row in record["rows"]] == ["skip-gram", "cbow", "glove"]
    for row in record["rows"]:
        assert row["vocabulary"] == 8 and row["words_per_second"]["ours"] > 0
        for found in row["spearman"].values():
            assert (found["covered"], found["pairs"]) == (7, 8) and -1 <= found["ours"] <= 1
    assert set(record["rows"][0]["ratio"]) == {"gensim"} and record["rows"][2]["opponents"] == {}
    assert record["source"].startswith("no SOURCE.txt") and record["versions"]["gensim"]
    table = word_vectors.table(record["rows"], record)
    assert "8 words: 7 of 8 WordSim-353, 7 of 8 SimLex-999" in table and table.count("one-sided") == 4


def test_bootstrap_by_hand():
    """Where both sides rank alike there is no difference; where theirs is reversed, it is 2 in every sample."""
    scores = np.arange(50.0)
    ours = np.array([scores, scores**2])
    assert not word_vectors.bootstrap(ours, np.exp(ours / 100), scores, 20).any()
    np.testing.assert_allclose(word_vectors.bootstrap(ours, -ours, scores, 20), 2)


def test_both_sides_keep_equally_many_words():
    counts = np.array([9000, 900, 90, 10])
    ratio = 1e-3 * counts.sum() / counts
    kept = (counts * np.minimum(1, ratio**0.5 + ratio)).sum()
    threshold = word_vectors.equal_threshold(counts)
    np.testing.assert_allclose((counts * np.minimum(1, (threshold * counts.sum() / counts) ** 0.5)).sum(), kept)


def test_the_verdict_follows_the_lower_bound(monkeypatch):
    monkeypatch.setattr(word_vectors, "RESAMPLES", 200)
    rng = np.random.default_rng(1)
    scores = rng.normal(size=200)
    reply = [{"value": {"pairs": {"p": [list(scores + rng.normal(size=200)), list(scores)]}}}]
    noise = [{"value": {"pairs": {"p": [list(rng.normal(size=200)), list(scores)]}}}]
    better = word_vectors.judge({"ours": reply, "gensim": noise}, "p", 300)
    assert better["not_worse"] and better["lower_bound_95"] > 0 and better["covered"] == 200
    worse = word_vectors.judge({"ours": noise, "gensim": reply}, "p", 300)
    assert not worse["not_worse"] and worse["interval_95"][1] < 0
    assert "difference" not in word_vectors.judge({"ours": reply}, "p", 300)


def test_missing_data_and_missing_gensim(tmp_path, monkeypatch):
    monkeypatch.setattr(word_vectors, "find_spec", lambda name: "there")
    assert run().exit_code == 2 and "expected --data" in run().stderr
    assert f"looked for {tmp_path}/EN-WS-353-ALL.txt" in run("--data", tmp_path).stderr
    for name in word_vectors.PAIRS.values():
        (tmp_path / name).write_text("a b 1\n", encoding="utf-8")
    assert "looked for text" in run("--data", tmp_path).stderr
    monkeypatch.setattr(word_vectors, "find_spec", lambda name: None)
    assert "pip install 'minisora[text]'" in run("--data", tmp_path).stderr
