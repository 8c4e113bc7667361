"""The benchmark of decoding, tiny."""

import json
from importlib.util import find_spec

import pytest
from click.testing import CliRunner

from minisora.benchmarks import generation
from minisora.cli import cli


def run(*arguments):
    """One thread for each side: on a busy machine torch's threads wait for each other by spinning."""
    return CliRunner().invoke(cli, ["bench", "generation", "--smoke", "--threads", "1", *map(str, arguments)])


def test_alone(tmp_path):
    result = run("--alone", "--json", "--out", tmp_path / "result.json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert [row["case"] for row in record["rows"]] == ["greedy, batch 1", "greedy, batch 16"]
    for row in record["rows"]:
        assert row["ours"] > 0 and row["opponents"] == row["ratio"] == {}


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra parity")
def test_torch_says_the_same_tokens():
    result = run("--batch", "3")
    assert result.exit_code == 0, result.output
    assert "1 threads, median of 2 runs by turns" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("100 %")


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra parity")
def test_torch_decodes_the_same_model():
    """Larger, so that heads, layers and positions all count, and with neighbours that say different things."""
    sizes = generation.SMOKE | {"layers": 3, "heads": 4, "tokens": 23}
    mine, theirs = (make(sizes, 5, "cpu", 1)() for make in (generation.ours, generation.torch_eager))
    assert mine == theirs
    assert len(set(map(tuple, mine))) == 5 and len(set(mine[0])) > 3


def test_agreement_is_a_share_of_tokens():
    assert generation.agreement([[1, 2], [3, 4]], [[1, 2], [3, 5]]) == 0.75


def test_without_torch_the_message_names_the_extra(monkeypatch):
    monkeypatch.setattr(generation, "find_spec", lambda name: None)
    result = run()
    assert result.exit_code == 2
    assert "pip install 'minisora[parity]'" in result.stderr and result.stdout == ""
