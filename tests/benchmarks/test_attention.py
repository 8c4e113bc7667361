"""The benchmark of attention, tiny."""

import json
from importlib.util import find_spec

import numpy as np
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
        *(f"1x2x7x5 {kind} {passes}" for kind in ("full", "causal") for passes in ("forward", "forward+backward")),
        *(f"2x2x(7, 11)x5 padded full {passes}" for passes in ("forward", "forward+backward")),
    ]
    for row in record["rows"]:
        assert row["ours"] > 0
        assert list(row["opponents"]) == list(row["ratio"]) == ["numpy"]
        assert set(row["gflops"]) == {"ours", "numpy", "sgemm"}
        assert set(row["memory_beyond_mib"]) == {"ours", "numpy"}


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra parity")
def test_beside_torch():
    result = run("--backend", "numba-loops", "--beside", "numba-tiles", "--shape", "1,2,7,5")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("numba-loops, float32, median of 2 turns")
    lines = result.stdout.splitlines()
    assert len(lines) == 3 + 4
    assert "numba-tiles / ours" in lines[2]


def test_operations_are_those_of_the_products():
    assert attention.operations(attention.Shape(2, 3, 5, 11, 7), False, 2) == 2 * 2 * (2 * 3 * 5 * 11 * 7)
    assert attention.operations(attention.Shape(2, 3, 4, 4, 7), True, 7) == 7 * (2 * 3 * 4 * 4 * 7)


def test_shapes():
    assert attention.parse("1,2,3,4") == attention.Shape(1, 2, 3, 3, 4)
    assert str(attention.parse("1,2,3,5,4")) == "1x2x(3, 5)x4"


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra parity")
@pytest.mark.parametrize("causal", [False, True])
def test_both_sides_compute_the_same(monkeypatch, causal):
    monkeypatch.setattr(attention, "measured", lambda run: run)
    for shape in attention.SMOKE[: 1 if causal else None]:
        out, _, *gradients = attention.ours("numba", shape, causal, True, 1)()
        for a, b in zip((out, *gradients), attention.torch_flash(shape, causal, True, 1)(), strict=True):
            np.testing.assert_allclose(a, b.detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", ["8,8,512", "a,b,c,d", "8,8,0,64"])
def test_a_shape_that_is_none_is_refused(shape):
    result = run("--alone", "--shape", shape)
    assert result.exit_code == 2
    assert "positive numbers B,H,T,D or B,H,T,S,D" in result.stderr


def test_without_torch_the_message_names_the_extra(monkeypatch):
    monkeypatch.setattr(attention, "find_spec", lambda name: None)
    result = run()
    assert result.exit_code == 2
    assert "pip install 'minisora[parity]'" in result.stderr
