"""The benchmark of embeddings that begin with word vectors, tiny."""

import json

from click.testing import CliRunner

from minisora.benchmarks import starting_vectors
from minisora.cli import cli


def test_every_cell_is_trained(tmp_path):
    result = CliRunner().invoke(cli, ["bench", "starting-vectors", "--smoke", "--json", "--out", tmp_path / "out.json"])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [(row["share"], row["start"]) for row in record["rows"]] == [
        (share, start) for share in (0.05, 0.2, 1.0) for start in ("random", "word2vec", "glove")
    ]
    for share in (0.05, 0.2, 1.0):
        losses = {row["loss"] for row in record["rows"] if row["share"] == share}
        assert len(losses) == 3  # where an embedding begins makes a difference


def test_a_row_for_each_part():
    rows = [
        {"share": share, "start": start, "exact_match": share / 2, "loss": 1.0 + place}
        for share in starting_vectors.SHARES
        for place, start in enumerate(starting_vectors.STARTS)
    ]
    lines = starting_vectors.table(rows, {"steps": 7, "dev": 3, "seeds": 1}).splitlines()
    assert lines[0] == "7 steps each, 3 questions of iid, mean of 1 seeds"
    assert lines[-1].split() == ["100", "%", "50.0", "50.0", "50.0", "1.000", "2.000", "3.000"]
