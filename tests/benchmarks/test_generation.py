"""The benchmark of decoding, tiny."""

import json
from importlib.util import find_spec

import pytest
from click.testing import CliRunner

from minisora.benchmarks import generation, marian
from minisora.cli import cli


def run(*arguments):
    """One thread for each side: on a busy machine torch's threads wait for each other by spinning."""
    return CliRunner().invoke(cli, ["bench", "generation", "--smoke", "--threads", "1", *map(str, arguments)])


def test_alone(tmp_path):
    result = run("--alone", "--json", "--out", tmp_path / "result.json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    strategies = [f"{what}, batch {batch}" for what in ("greedy", "beam 4", "cache") for batch in (1, 16)]
    assert [row["case"] for row in record["rows"]] == strategies
    for row in record["rows"]:
        assert row["ours"] > 0
        assert list(row["opponents"]) == list(row["ratio"]) == (["no cache"] if "cache" in row["case"] else [])
    assert all(row["agreement"] == {"no cache": 1} for row in record["rows"][-2:])


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra parity")
def test_torch_says_the_same_tokens_and_who_is_missing_is_told(monkeypatch):
    monkeypatch.setattr(generation, "find_spec", lambda name: name == "torch" or None)
    result = run("--batch", "3", "--beams", "1")
    assert result.exit_code == 0, result.output
    assert "1 threads, median of 2 runs by turns" in result.stdout
    assert result.stdout.splitlines()[-3].endswith("100 %")
    for name in ("transformers", "ctranslate2"):
        assert f"minisora: {name} is left out: pip install 'minisora[parity]'" in result.stderr


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra parity")
def test_torch_decodes_the_same_model():
    """Larger, so that heads, layers and positions all count, and with neighbours that say different things."""
    sizes = generation.SMOKE | {"layers": 3, "heads": 4, "tokens": 23}
    mine, theirs, again = (
        make(sizes, 5, 1, "cpu", 1)() for make in (generation.ours, generation.torch_eager, generation.without_cache)
    )
    assert mine == theirs == again
    assert len(set(map(tuple, mine))) == 5 and len(set(mine[0])) > 3


@pytest.mark.skipif(not all(map(find_spec, ("transformers", "ctranslate2"))), reason="needs the extra parity")
@pytest.mark.parametrize("beams", [1, 4])
def test_ctranslate2_decodes_the_weights_of_transformers(beams):
    """Converted by its own converter; answers of the whole length, and some different tokens in them."""
    sizes = generation.SMOKE | {"layers": 2, "tokens": 23}
    mine, theirs = (make(sizes, 3, beams, "cpu", 1)() for make in (marian.transformers, marian.ctranslate2))
    assert mine == theirs
    assert {len(ids) for ids in mine} == {23} and len(set(mine[0])) > 3


@pytest.mark.skipif(not all(map(find_spec, ("torch", "transformers", "ctranslate2"))), reason="needs the extra parity")
def test_all_opponents_take_part():
    result = run("--batch", "2", "--json")
    assert result.exit_code == 0, result.output
    rows = {row["case"]: list(row["ratio"]) for row in json.loads(result.stdout)["rows"]}
    assert rows == {
        "greedy, batch 2": ["torch", "transformers", "ctranslate2"],
        "beam 4, batch 2": ["transformers", "ctranslate2"],
        "cache, batch 2": ["no cache"],
    }


def test_agreement_is_a_share_of_tokens():
    assert generation.agreement([[1, 2], [3, 4]], [[1, 2], [3, 5]]) == 0.75


def test_without_torch_the_message_names_the_extra(monkeypatch):
    monkeypatch.setattr(generation, "find_spec", lambda name: None)
    result = run()
    assert result.exit_code == 2
    assert "pip install 'minisora[parity]'" in result.stderr and result.stdout == ""
