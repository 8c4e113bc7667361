"""The benchmark of the explorer's page, tiny."""

import json

from click.testing import CliRunner

from minisora.benchmarks import explorer
from minisora.cli import cli


def test_a_page_is_measured(tmp_path):
    result = CliRunner().invoke(cli, ["bench", "explorer", "--smoke", "--json", "--out", tmp_path / "out.json"])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    (row,) = record["rows"]
    assert (row["read"], row["written"], row["tokens_with_gradients"], row["bits"]) == (5, 5, 5, 16)
    assert 0 < row["bytes_without_gradients"] < row["bytes"]


def test_a_line_for_each_length():
    row = {
        "case": "T = 7", "written": 7, "bits": 8, "tokens_with_gradients": 3, "bytes": 1_234_567,
        "bytes_without_gradients": 89_000,
    }  # fmt: skip
    lines = explorer.table([row], {"layers": [2, 3], "heads": 5}).splitlines()
    assert lines[0] == "2 + 3 layers, 5 heads"
    assert lines[-1].split() == "T = 7 1.23 0.09 8 3 of 7".split()
