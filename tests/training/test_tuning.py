"""The search over hyperparameters: what it finds, that it goes on, and what it refuses."""

import json
import math
import sys

import pytest
from click.testing import CliRunner

from minisora.cli import cli
from minisora.training.scoring import Score
from minisora.training.tuning import Search, Space

pytest.importorskip("optuna", reason="needs the extra tune")


def bowl(settings):
    """A loss whose lowest place is known: learning rate 1e-3, no dropout."""
    return Score(abs(3 + math.log10(settings["learning_rate"])) + settings["dropout"], 0.25, 10)


def test_it_finds_the_bottom(tmp_path):
    found = Search(tmp_path, bowl, {}).run(25)
    best = min(found, key=lambda trial: trial.loss)
    assert best.settings["dropout"] < 0.15 and 4e-4 < best.settings["learning_rate"] < 2.5e-3
    assert [trial.number for trial in found] == list(range(25))
    assert {trial.exact_match for trial in found} == {0.25}
    low, high = Space().batch_tokens
    assert all(low <= trial.settings["batch_tokens"] <= high for trial in found)


def test_a_search_goes_on_as_if_it_had_not_been_interrupted(tmp_path):
    """Stopped between two trials, and in the midst of one."""
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = Search(tmp_path / "whole", bowl, {}, seed=3).run(8)
    assert Search(tmp_path / "parts", bowl, {}, seed=3).run(3) == whole[:3]

    def interrupted(settings):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Search(tmp_path / "parts", interrupted, {}, seed=3).run(8)
    told = []
    assert Search(tmp_path / "parts", bowl, {}, seed=3).run(8, told.append) == whole
    assert told == whole[3:]
    assert Search(tmp_path / "parts", interrupted, {}, seed=3).run(5) == whole


def test_a_training_that_explodes_counts_as_infinitely_bad(tmp_path):
    def train(settings):
        raise ValueError("the loss is nan at step 3: a smaller learning rate or a longer warm-up may help")

    assert [trial.loss for trial in Search(tmp_path, train, {}).run(2)] == [float("inf")] * 2

    def mistake(settings):
        raise ValueError("expected a finite batch, got a bath")

    with pytest.raises(ValueError, match="a bath"):
        Search(tmp_path, mistake, {}).run(3)


def test_a_loss_on_dev_that_is_no_number_is_infinitely_bad(tmp_path):
    scores = iter([Score(math.nan, 0.0, 10), Score(1.0, 0.5, 10)])
    found = Search(tmp_path, lambda settings: next(scores), {}).run(2)
    assert [(trial.loss, trial.exact_match) for trial in found] == [(math.inf, 0.0), (1.0, 0.5)]


def test_another_search_is_refused(tmp_path):
    Search(tmp_path, bowl, {"steps": 5}).run(1)
    with pytest.raises(ValueError, match="holds a search with steps = 5, it cannot go on with 6"):
        Search(tmp_path, bowl, {"steps": 6})
    with pytest.raises(ValueError, match="with seed = 0, it cannot go on with 1"):
        Search(tmp_path, bowl, {"steps": 5}, seed=1)


def test_a_setting_can_be_corrected_before_the_first_trial(tmp_path):
    def mistake(settings):
        raise ValueError("expected steps of at least 1")

    with pytest.raises(ValueError, match="expected steps"):
        Search(tmp_path, mistake, {"steps": 0}).run(1)
    assert len(Search(tmp_path, bowl, {"steps": 6}).run(1)) == 1
    with pytest.raises(ValueError, match="holds a search with steps = 6, it cannot go on with 0"):
        Search(tmp_path, bowl, {"steps": 0})


@pytest.mark.parametrize("name", ["a?b", "50%", "{c}"])
def test_a_path_that_would_be_read_as_another_one(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="and braces in its path"):
        Search(tmp_path / name, bowl, {})
    assert [path.name for path in tmp_path.rglob("*")] == [name]


def test_a_file_that_is_no_study(tmp_path):
    (tmp_path / "study.db").write_text("something else " * 99)
    with pytest.raises(ValueError, match=r"study.db cannot be used as the file of a search: .*not a database"):
        Search(tmp_path, bowl, {})


TINY = "--d-model 8 --num-heads 2 --num-encoder-layers 1 --num-decoder-layers 1 --d-ff 8 --steps 3".split()


def run(*arguments):
    return CliRunner().invoke(cli, ["tune", *map(str, arguments), *TINY])


def test_the_command(tmp_path):
    options = ["--data", "copy", "--dev-count", "5", "--out", tmp_path / "search"]
    first = run(*options, "--trials", "2")
    assert first.exit_code == 0, first.output
    lines = first.stdout.splitlines()
    assert len(lines) == 4 and lines[0].split()[:3] == ["trial", "learning", "rate"]
    assert (tmp_path / "search" / "trials.png").read_bytes().startswith(b"\x89PNG")
    more = run(*options, "--trials", "3", "--json")
    content = json.loads(more.stdout)
    assert len(content["trials"]) == 3
    assert content["best"] == min(content["trials"], key=lambda trial: trial["loss"])
    assert f"{content['trials'][0]['loss']:.4f}" in first.stdout
    assert "cannot go on with 'reverse'" in run(*options, "--data", "reverse").stderr


def test_the_command_needs_dev_pairs(tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("a\tb\n", encoding="utf-8")
    result = run("--data", pairs, "--out", tmp_path / "search")
    assert result.exit_code == 2 and "name them with --dev" in result.stderr
    assert not (tmp_path / "search").exists()


def test_without_optuna_the_message_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match=r"needs optuna: pip install 'minisora\[tune\]'"):
        Search(tmp_path, bowl, {})
