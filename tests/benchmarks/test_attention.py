"""The benchmark of attention, tiny."""

import json
from importlib.util import find_spec

import pytest
from click.testing import CliRunner

from minisora.benchmarks import attention
from minisora.cli import cli


def run(*arguments):
    return CliRunner().invoke(cli, ["bench", "attention", "--smoke", "--threads", "1", *map(str, arguments)])


def test_alone(tmp_path):
    result = run("--alone", "--json", "--out", tmp_path / "result.json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert [row["case"] for row in record["rows"]] == [
        f"1x2x7x5 {kind} {passes}" for kind in ("full", "causal") for passes in ("forward", "forward+backward")
    ]
    for row in record["rows"]:
        assert row["ours"] > 0
        assert list(row["opponents"]) == list(row["ratio"]) == ["numpy"]
        assert set(row["gflops"]) == {"ours", "numpy", "sgemm"}


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra parity")
def test_beside_torch():
    result = run("--backend", "numba-loops", "--shape", "1,2,7,5")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("numba-loops, float32, median of 2 runs by turns")
    assert len(result.stdout.splitlines()) == 3 + 4


def test_operations_are_those_of_the_products():
    assert attention.operations((2, 3, 5, 7), False, False) == 2 * 2 * (2 * 3 * 5 * 5 * 7)
    assert attention.operations((2, 3, 4, 7), True, True) == 7 * (2 * 3 * 4 * 4 * 7)


@pytest.mark.parametrize("shape", ["8,8,512", "a,b,c,d", "8,8,0,64"])
def test_a_shape_that_is_none_is_refused(shape):
    result = run("--alone", "--shape", shape)
    assert result.exit_code == 2
    assert "four positive numbers B,H,T,D" in result.stderr


def test_without_torch_the_message_names_the_extra(monkeypatch):
    monkeypatch.setattr(attention, "find_spec", lambda name: None)
    result = run()
    assert result.exit_code == 2
    assert "pip install 'minisora[parity]'" in result.stderr
