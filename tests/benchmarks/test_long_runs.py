"""Trainings in a folder: stopped, gone on with, judged once; and what is said when something is missing."""

import json

import click
import numpy as np
import pytest
from click.testing import CliRunner

from minisora.benchmarks.long_runs import (
    LongRuns,
    check_folders,
    command_line,
    describe,
    long_options,
    place,
    read_curve,
    stopped_note,
)
from minisora.config import SoraConfig
from minisora.model import SoraModel
from minisora.text import SoraTokenizer
from minisora.training import Trainer, TrainingConfig

PAIRS = [("ab", "ba"), ("abc", "cba"), ("c", "c"), ("bc", "cb")]
SETTINGS = {"steps": 9, "batch_tokens": 12}
TAKES_TIME = ("hours", "target_tokens_per_second", "peak_memory_mib")


def make_trainer(folder, **changes):
    tokenizer = SoraTokenizer.learn(["abc"])
    size = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size, "max_len": 7}
    shape = {"d_model": 8, "num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "d_ff": 9}
    rng = np.random.default_rng(0)
    config = TrainingConfig(**SETTINGS | changes, eval_every=0, save_every=2)
    return Trainer(SoraModel(SoraConfig(**size, **shape), rng), PAIRS, tokenizer, config=config, folder=folder)


def judge(trainer):
    return {"weight": float(trainer.model.decoder.projection.weight.data.sum())}


def look(trainer):
    return {"step_again": trainer.progress.step}


def run(folder, minutes=None, name="one", settings=SETTINGS, **options):
    runs = LongRuns(folder, minutes)
    return runs, runs.row(name, settings, make_trainer, judge, **options)


def test_a_row_says_what_it_took(tmp_path):
    runs, row = run(tmp_path)
    assert runs.stopped is None and stopped_note(runs) == ""
    assert (row["case"], row["steps"], row["parameters"]) == ("one", 9, make_trainer(None).model.num_parameters())
    assert row["target_tokens"] > 9 and row["target_tokens_per_second"] > 0 and "curve" not in row


def test_a_finished_training_is_read_not_done_again(tmp_path, monkeypatch):
    _, row = run(tmp_path)
    monkeypatch.setattr(Trainer, "fit", None)
    assert run(tmp_path)[1] == row
    assert json.loads((tmp_path / "one" / "result.json").read_text(encoding="utf-8")) == row


def test_the_memory_of_a_row_is_its_own(tmp_path):
    held = np.ones(64 << 20, np.uint8)
    _, row = run(tmp_path, name="large")
    del held
    _, small = run(tmp_path, name="small")
    if row["peak_memory_mib"] is not None:
        assert small["peak_memory_mib"] < row["peak_memory_mib"] - 40


def test_the_largest_memory_of_all_calls_is_told(tmp_path):
    run(tmp_path, minutes=1e-9)
    (tmp_path / "one" / "peak.json").write_text("123456.0", encoding="utf-8")
    assert run(tmp_path)[1]["peak_memory_mib"] == 123456.0


@pytest.mark.parametrize("minutes", [None, 1e-9])
def test_a_folder_that_was_begun_with_other_settings_is_refused(tmp_path, minutes):
    """Finished or not; the setting that differs is named, also one that is new or gone."""
    old = {"training": {"steps": 9, "betas": (0.9, 0.98)}, "seed": 0}
    run(tmp_path, minutes, settings=old)
    run(tmp_path, minutes, settings=old)
    message = "one was begun with training steps = 9, not 10: give another --folder"
    with pytest.raises(click.UsageError, match=message):
        run(tmp_path, minutes, settings=old | {"training": {"steps": 10, "betas": (0.9, 0.98)}})
    with pytest.raises(click.UsageError, match="begun with seed = 0, not None"):
        run(tmp_path, minutes, settings={"training": old["training"]})
    with pytest.raises(click.UsageError, match="begun with beams = None, not 5"):
        run(tmp_path, minutes, settings=old | {"beams": 5})


def test_a_stopped_training_ends_as_the_whole_one(tmp_path):
    """With no time at all each call makes one step; the curve is that of a training without a stop."""
    options = {"look": look, "every": 3}
    _, whole = run(tmp_path / "whole", **options)
    notes = []
    for _ in range(20):
        runs, row = run(tmp_path / "parts", minutes=1e-9, **options)
        if row is not None:
            break
        notes.append(stopped_note(runs))
    assert notes[0] == "stopped: one at step 1 of 9; the same command goes on from here\n\n"
    assert len(notes) == 8
    assert [one["step"] for one in row["curve"]] == [3, 6, 9] == [one["step_again"] for one in row["curve"]]
    for name in set(row) - {*TAKES_TIME, "curve"}:
        assert row[name] == whole[name]
    assert [one["step"] for one in whole["curve"]] == [3, 6, 9]


def test_nothing_is_begun_after_a_stop(tmp_path):
    runs, row = run(tmp_path, minutes=1e-9)
    assert row is None
    assert runs.row("two", SETTINGS, make_trainer, judge) is None
    assert runs.stopped == "one at step 1 of 9" and not (tmp_path / "two").exists() and not runs.interrupted


def test_what_is_finished_is_told_after_a_stop(tmp_path):
    _, row = run(tmp_path, name="two")
    runs, _ = run(tmp_path, minutes=1e-9)
    assert runs.row("two", SETTINGS, make_trainer, judge) == row


def test_a_look_that_was_lost_with_its_step_is_made_again(tmp_path):
    options = {"look": look, "every": 3}
    run(tmp_path, minutes=1e-9, **options)
    home = tmp_path / "one"
    (home / "curve.jsonl").write_text('{"step": 3, "minutes": 1.0, "step_again": 99}\n', encoding="utf-8")
    run(tmp_path, **options)
    assert [one["step_again"] for one in read_curve(home)] == [3, 6, 9]


def test_a_look_that_a_kill_came_before_is_made(tmp_path):
    """The checkpoint of step 3 was written, its record was not."""

    def killed(trainer):
        if trainer.progress.step == 3:
            raise KeyboardInterrupt
        return look(trainer)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, look=killed, every=3)
    assert read_curve(tmp_path / "one") == []
    _, row = run(tmp_path, look=look, every=3)
    assert [one["step"] for one in row["curve"]] == [3, 6, 9]


def test_a_signal_in_the_last_step_is_not_swallowed(tmp_path, monkeypatch):
    def late(stopping):
        return "interrupted" if (tmp_path / "one" / "step-9").exists() else None

    monkeypatch.setattr("minisora.training.stopping.Stopping.reason", late)
    runs, row = run(tmp_path)
    assert row is None and runs.interrupted and runs.stopped == "one at step 9 of 9"
    monkeypatch.undo()
    assert run(tmp_path)[1]["steps"] == 9


def test_an_interrupted_training_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("minisora.training.stopping.Stopping.reason", lambda self: "interrupted")
    runs, row = run(tmp_path)
    assert row is None and runs.interrupted and runs.stopped == "one at step 1 of 9"


def test_the_command_is_told_without_paths(tmp_path):
    @click.command("learn")
    @click.option("--part", "parts", multiple=True, default=("a", "b"))
    @click.option("--seed", default=0)
    @long_options
    @click.pass_context
    def command(ctx, **_):
        click.echo(command_line(ctx))

    def told(*arguments):
        return CliRunner().invoke(command, [*map(str, arguments)], prog_name="minisora learn").stdout.strip()

    assert told() == "minisora learn"
    assert told("--data", tmp_path, "--minutes", 3, "--json", "--smoke") == "minisora learn --data DATA --smoke"
    assert told("--part", "b", "--part", "a", "--seed", 0) == "minisora learn --part b --part a"
    assert told("--seed", 7, "--steps", 9) == "minisora learn --seed 7 --steps 9"


def test_settings_in_a_line():
    assert describe({"steps": 7}, {"betas": (0.9, 0.98)}) == "steps 7, betas (0.9, 0.98)"


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(click.UsageError, match=r"expected --data, a folder with a.tsv and others \(somewhere\)"):
        check_folders(None, ["a.tsv"], tmp_path, "somewhere")
    with pytest.raises(click.UsageError, match=r"no data: looked for .*a.tsv and found none \(somewhere\)"):
        check_folders(tmp_path, ["a.tsv"], tmp_path, "somewhere")
    (tmp_path / "a.tsv").touch()
    with pytest.raises(click.UsageError, match="expected --folder, where the trainings are kept"):
        check_folders(tmp_path, ["a.tsv"], None, "somewhere")
    check_folders(tmp_path, ["a.tsv"], tmp_path / "new" / "one", "somewhere")
    (tmp_path / "parts").mkdir()
    (tmp_path / "a.tsv").rename(tmp_path / "parts" / "a.tsv")  # as repositories keep them
    check_folders(tmp_path, ["a.tsv"], tmp_path, "somewhere")
    assert place(tmp_path, "a.tsv") == tmp_path / "parts" / "a.tsv"
    assert (tmp_path / "new" / "one").is_dir()
