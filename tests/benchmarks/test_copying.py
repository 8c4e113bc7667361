"""The benchmark of the copy head and of made-up names, tiny."""

import json

from click.testing import CliRunner

from minisora.benchmarks import copying
from minisora.cli import cli


def test_every_case_is_trained(tmp_path):
    result = CliRunner().invoke(cli, ["bench", "copying", "--smoke", "--json", "--out", tmp_path / "out.json"])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    rows = record["rows"]
    assert [(row["copy"], row["made_up_names"]) for row in rows] == [(False, 0), (False, 40), (True, 0), (True, 40)]
    assert len({row["loss"]["iid"] for row in rows}) == 4  # each choice makes a difference
    assert rows[2]["parameters"] - rows[0]["parameters"] == 2 * 16**2


def test_a_row_for_each_case():
    match = dict.fromkeys(copying.SPLITS, 0.5) | {"val": 0.25}
    row = {"case": "copy head, real names", "parameters": 1234, "exact_match": match}
    lines = copying.table([row], {"steps": 7, "questions": 3, "seeds": 1}).splitlines()
    assert lines[0] == "7 steps each, 3 questions a split, mean of 1 seeds"
    assert lines[-1].split()[-6:] == ["1,234", "50.0", "50.0", "50.0", "25.0", "50.0"]
