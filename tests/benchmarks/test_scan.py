"""SCAN: the lines, the run on toy splits and on the real ones, and the table."""

import json

import pytest
from click.testing import CliRunner

from minisora.benchmarks import scan
from minisora.cli import cli


def run(*arguments):
    return CliRunner().invoke(cli, ["bench", "scan", "--threads", "1", *map(str, arguments)])


def test_smoke_trains_every_split(tmp_path):
    result = run("--smoke", "--json", "--out", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [row["case"] for row in record["rows"]] == ["simple", "jump", "length"]
    for row in record["rows"]:
        assert row["exact_match"] >= 50 and row["commands"] == 4 and row["steps"] == 60


@pytest.mark.parametrize("split", scan.SPLITS)
def test_smoke_on_the_real_data(real_data, split):
    result = run("--smoke", "--data", real_data("scan"), "--split", split, "--steps", 5, "--json")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)["rows"]
    assert row["commands"] == 200 and row["loss"] > 0


def test_it_goes_on_where_it_was_stopped(tmp_path):
    options = ("--smoke", "--folder", tmp_path, "--split", "jump", "--steps", 3)
    stopped = run(*options, "--minutes", 1e-9)
    assert "stopped: jump-0 at step 1 of 3; the same command goes on from here" in stopped.stdout
    finished = run(*options)  # the toy data are made anew: the same
    assert finished.exit_code == 0 and "stopped" not in finished.stdout
    assert run(*options).stdout.splitlines()[3:5] == finished.stdout.splitlines()[3:5]


def test_other_data_in_the_same_folder_are_refused(tmp_path):
    data = scan.write_toy(tmp_path / "data")
    options = ("--smoke", "--folder", tmp_path / "kept", "--split", "jump", "--steps", 1, "--data", data)
    assert run(*options).exit_code == 0
    with open(data / scan.file_name("test", "jump"), "a", encoding="utf-8") as file:
        file.write("IN: run OUT: I_RUN\n")
    refused = run(*options)
    assert refused.exit_code == 2 and "was begun with data = " in refused.stderr and refused.stdout == ""


def test_lines_are_read_and_others_are_named(tmp_path):
    path = tmp_path / "tasks.txt"
    path.write_text("IN: walk twice OUT: I_WALK I_WALK\nIN: run OUT: I_RUN\n", encoding="utf-8")
    assert scan.read_commands(path) == [("walk twice", "I_WALK I_WALK"), ("run", "I_RUN")]
    path.write_text("IN: run OUT: I_RUN\nwalk I_WALK\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"tasks.txt:2: expected IN: command OUT: actions, got 'walk I_WALK'"):
        scan.read_commands(path)


def test_the_published_shares_stand_beside():
    row = {"case": "jump", "exact_match": 0.5, "published": "about 1", "commands": 7706, "steps": 7, "hours": 0.26}
    lines = scan.table([row | {"target_tokens_per_second": 1234.5, "peak_memory_mib": None}]).splitlines()
    assert lines[1].split() == ["jump", "0.50", "about", "1", "7,706", "0.26"]
    assert lines[-1] == "7 steps in 0.26 hours, 1,234 target tokens/s"


def test_missing_data_name_the_path(tmp_path):
    result = run("--data", tmp_path, "--folder", tmp_path)
    assert result.exit_code == 2 and f"looked for {tmp_path}/tasks_train_simple.txt" in result.stderr
