"""Spelling to sound: the error rates by hand, the run on a toy language, and what is said when data are missing."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from minisora.benchmarks import g2p
from minisora.cli import cli

PHONES = st.lists(st.sampled_from("abc"), max_size=7)


def run(*arguments):
    return CliRunner().invoke(cli, ["bench", "g2p", *map(str, arguments)])


def distance_by_definition(a, b):
    """The recurrence itself, without a table."""
    if not a or not b:
        return len(a) + len(b)
    keep = distance_by_definition(a[1:], b[1:])
    if a[0] == b[0]:
        return keep
    return 1 + min(keep, distance_by_definition(a[1:], b), distance_by_definition(a, b[1:]))


@settings(deadline=None)
@given(PHONES.filter(lambda p: len(p) < 6), PHONES.filter(lambda p: len(p) < 6))
def test_edit_distance_is_the_recurrence(a, b):
    assert g2p.edit_distance(a, b) == distance_by_definition(a, b)


@pytest.mark.parametrize(
    "a, b, expected", [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0)]
)
def test_edit_distance_by_hand(a, b, expected):
    assert g2p.edit_distance(a, b) == expected


def test_error_rates_by_hand():
    """One of two words wrong; two edits (ʃ for s, z too many) by the five phones of the targets."""
    answers, targets = [["s", "z", "a"], ["b", "aː", "d"]], [["ʃ", "a"], ["b", "aː", "d"]]
    assert g2p.error_rates(answers, targets) == (50.0, 40.0)


def test_the_toy_language():
    assert g2p.pronounce("aasz") == "aː ʃ"
    assert g2p.pronounce("zsd") == "z s d"


def test_smoke_learns_and_reports(tmp_path):
    result = run("--smoke", "--steps", 120, "--threads", 1, "--json", "--out", tmp_path / "result.json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    (row,) = record["rows"]
    assert row["steps"] == 120 and row["reason"] == "finished" and row["words"] == 20 and "published" not in row
    assert row["dev_wer"] < 100 and 0 <= row["wer"] <= 100
    assert record["source"].startswith("no SOURCE.txt")


def test_real_files_bring_their_source(tmp_path):
    g2p.make_toy_language(tmp_path, "eng")
    (tmp_path / "SOURCE.txt").write_text("free to use\n", encoding="utf-8")
    result = run("--smoke", "--data", tmp_path, "--language", "eng", "--steps", 1, "--threads", 1)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("eng: 20 test words") and result.stdout.endswith("\n\nfree to use\n")


def test_the_published_rates_stand_beside():
    row = {"case": "hun", "wer": 6.0, "per": 1.5, "words": 450, "seed": 0, "parameters": 9, "minutes": 3.0}
    row |= {
        "steps": 1,
        "reason": "finished",
        "best_step": 1,
        "dev_wer": 7.0,
        "published": {"fairseq": g2p.PUBLISHED["hun"]},
    }
    assert "fairseq            5.33   1.28" in g2p.table(row, "")


def test_missing_data_name_the_path(tmp_path):
    result = run("--data", tmp_path)
    assert result.exit_code == 2 and f"looked for {tmp_path}/hun_train.tsv" in result.stderr
    assert run().exit_code == 2 and "--data" in run().stderr
