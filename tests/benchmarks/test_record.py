"""What the benchmarks report, and how."""

import json

import click
import pytest
from click.testing import CliRunner

from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options


@click.command()
@record_options
def probe(smoke, as_json, out):
    publish({"rows": [{"case": "a", "ours": float("nan")}], "smoke": smoke}, "a table", as_json, out)


def invoke(*arguments):
    return CliRunner().invoke(probe, list(map(str, arguments)))


def test_a_record_names_machine_and_versions():
    record = make_record(machine(), [{"case": "a"}], "click", "no-such-library", threads=2)
    assert list(record) == ["machine", "versions", "threads", "rows"]
    assert record["machine"]["cores"] >= 1 and record["machine"]["processor"]
    assert record["versions"]["click"] and record["versions"]["no-such-library"] is None
    json.dumps(record, allow_nan=False)


def test_the_table_or_one_json_object():
    assert invoke().stdout == "a table\n"
    assert json.loads(invoke("--json", "--smoke").stdout) == {"rows": [{"case": "a", "ours": None}], "smoke": True}


def test_out_writes_the_same_object_beside_the_table(tmp_path):
    path = tmp_path / "result.json"
    assert invoke("--out", path).stdout == "a table\n"
    assert json.loads(path.read_text(encoding="utf-8"))["rows"] == [{"case": "a", "ours": None}]
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_a_file_that_cannot_be_written_is_refused_before_the_run(tmp_path):
    result = invoke("--out", tmp_path / "missing" / "result.json")
    assert result.exit_code == 2 and "existing folder" in result.stderr


def test_columns_are_aligned():
    assert lay_out([("", "WER"), ("ours", "5.3")]) == "      WER\nours  5.3"


@pytest.mark.parametrize("key", ["processor", "cores", "memory_gib", "platform", "blas", "load"])
def test_machine_says(key):
    assert key in machine()
