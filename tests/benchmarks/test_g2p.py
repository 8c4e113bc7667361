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
    options = ("--smoke", "--language", "hun", "--language", "jpn", "--seeds", 2, "--steps", 250, "--threads", 1)
    result = run(*options, "--json", "--out", tmp_path / "result.json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    cases = ["hun-0", "hun-1", "jpn-0", "jpn-1", "hun-ensemble-of-2", "jpn-ensemble-of-2"]
    assert [row["case"] for row in record["rows"]] == cases
    for row in record["rows"][:4]:
        assert row["steps"] == 250 and row["words"] == 20 and row["dev_wer"] < 90 and row["per"] < 60
    one, other, together = (record["rows"][place] for place in (0, 1, 4))
    assert record["means"]["hun"]["wer"] == (one["wer"] + other["wer"]) / 2
    assert record["means"]["hun"]["ensemble_per"] == together["per"]
    assert record["published"] == {} and record["source"].startswith("no SOURCE.txt")


@pytest.mark.parametrize("language", g2p.PUBLISHED)
def test_smoke_on_the_real_data(real_data, language):
    folder = real_data("sigmorphon2020_g2p")
    options = ("--data", folder, "--language", language, "--seeds", 1, "--steps", 5, "--threads", 1)
    result = run("--smoke", "--json", *options)
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)["rows"]
    assert row["words"] == 450 and row["wer"] > 0


def test_real_files_bring_their_source(tmp_path):
    g2p.make_toy_languages(tmp_path, ["eng"])
    (tmp_path / "SOURCE.txt").write_text("free to use\n", encoding="utf-8")
    result = run("--smoke", "--data", tmp_path, "--language", "eng", "--seeds", 1, "--steps", 1, "--threads", 1)
    assert result.exit_code == 0, result.output
    assert "\neng, 1 seeds " in result.stdout and result.stdout.endswith("\n\nfree to use\n")


def test_it_goes_on_where_it_was_stopped(tmp_path):
    options = ("--smoke", "--folder", tmp_path, "--language", "hun", "--seeds", 2, "--steps", 3, "--threads", 1)
    stopped = run(*options, "--minutes", 1e-9)
    assert stopped.exit_code == 0, stopped.output
    assert "nothing is finished yet" in stopped.stdout
    assert "stopped: hun-0 at step 1 of 3; the same command goes on from here" in stopped.stdout
    finished = run(*options)
    assert finished.exit_code == 0 and "stopped" not in finished.stdout and "hun, 2 seeds" in finished.stdout


def rows_of(language, rates, ensemble):
    took = {"hours": 0.5, "target_tokens_per_second": 100.0, "steps": 7, "peak_memory_mib": 9.0}
    took |= {"language": language, "ensemble": False}
    rows = [took | {"wer": wer, "per": per} for wer, per in rates]
    return [*rows, {"language": language, "ensemble": True, "wer": ensemble[0], "per": ensemble[1]}]


def test_means_and_spreads_by_hand():
    """Of 6 and 8 the mean is 7 and the standard deviation, of a sample, the root of 2."""
    rows = rows_of("hun", [(6.0, 1.0), (8.0, 3.0)], (5.0, 1.5)) + rows_of("fre", [(7.0, 2.0), (7.0, 2.0)], (6.0, 2.0))
    means = g2p.summary(rows)
    assert means["hun"] == {
        "seeds": 2, "wer": 7.0, "wer_spread": pytest.approx(2**0.5), "per": 2.0, "per_spread": pytest.approx(2**0.5),
        "ensemble_wer": 5.0, "ensemble_per": 1.5,
    }  # fmt: skip
    lines = g2p.table(rows, means, {name: g2p.PUBLISHED[name] for name in ("hun", "fre")}).splitlines()
    assert lines[1].split("  ")[0] == "hun, 2 seeds"
    assert [cell.strip() for cell in lines[1].split("  ") if cell.strip()][1:] == [
        "7.00 / 2.00", "1.41 / 1.41", "5.00 / 1.50", "5.33 / 1.28",
    ]  # fmt: skip
    assert [cell.strip() for cell in lines[3].split("  ") if cell.strip()] == [
        "mean", "7.00 / 2.00", "5.50 / 1.75", "6.11 / 1.50",
    ]  # fmt: skip
    assert lines[-1] == "28 steps in 2.00 hours, 100 target tokens/s, 9 MiB at the most"


def test_one_seed_has_no_spread_and_no_ensemble():
    rows = rows_of("hun", [(6.0, 1.0)], (5.0, 1.5))[:1]
    assert "hun, 1 seeds  6.00 / 1.00       -         -                   -" in g2p.table(rows, g2p.summary(rows), {})


def test_missing_data_name_the_path(tmp_path):
    result = run("--data", tmp_path, "--folder", tmp_path)
    assert result.exit_code == 2 and f"looked for {tmp_path}/hun_train.tsv" in result.stderr
    assert run().exit_code == 2 and "--data" in run().stderr
