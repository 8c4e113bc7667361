"""The benchmark of a training step, tiny."""

import json
from importlib.util import find_spec

import pytest
from click.testing import CliRunner

from minisora.benchmarks import train_step
from minisora.cli import cli


def run(*arguments):
    """One thread for each side: on a busy machine torch's threads wait for each other by spinning."""
    return CliRunner().invoke(cli, ["bench", "train-step", "--smoke", "--threads", "1", *map(str, arguments)])


def test_alone(tmp_path):
    result = run("--alone", "--json", "--out", tmp_path / "result.json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert [row["case"] for row in record["rows"]] == ["dropout 0", "dropout 0.1"]
    for row in record["rows"]:
        assert row["ours"] > 0 and row["opponents"] == row["ratio"] == {}


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra parity")
def test_beside_torch():
    result = run()
    assert result.exit_code == 0, result.output
    assert "1 threads, numba, median of 2 steps by turns; 7,554 parameters" in result.stdout
    assert [line.split()[2] for line in result.stdout.splitlines()[-4:]] == ["ours", "torch", "ours", "torch"]


def test_without_torch_the_message_names_the_extra(monkeypatch):
    monkeypatch.setattr(train_step, "find_spec", lambda name: None)
    result = run()
    assert result.exit_code == 2
    assert "pip install 'minisora[parity]'" in result.stderr and result.stdout == ""


def test_the_ratio_is_the_opponents_time_by_ours():
    row = {
        "case": "dropout 0", "ours": 0.5, "opponents": {"torch": 1.0}, "ratio": {"torch": 2.0}, "parameters": 7,
        "target_tokens_per_second": {"ours": 20.0, "torch": 10.0}, "peak_memory_mib": {"ours": None, "torch": 3.0},
        "range": {"ours": [0.4, 0.6], "torch": [0.9, 1.1]},
    }  # fmt: skip
    settings = {"threads": 2, "rounds": 9, "sizes": {"d_model": 16}, "backend": "numba"}
    lines = train_step.table([row], settings).splitlines()
    assert lines[-2].split() == ["dropout", "0", "ours", "500", "400", "600", "20", "-"]
    assert lines[-1].split() == ["dropout", "0", "torch", "1000", "900", "1100", "10", "3", "2.00"]


@pytest.mark.parametrize("threads", [1, 2])
def test_every_step_trains(threads):
    step = train_step.ours(train_step.SMOKE, 0.1, threads)
    losses = [step()["loss"] for _ in range(60)]
    assert losses[-1] < losses[0]
