"""The study of training's choices, tiny."""

import json

import pytest
from click.testing import CliRunner

from minisora.benchmarks import training_choices
from minisora.cli import cli


def test_every_sentence_is_tried_and_drawn(tmp_path):
    plot = tmp_path / "plot.png"
    result = CliRunner().invoke(cli, ["bench", "training-choices", "--smoke", "--json", "--plot", str(plot)])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert {row["said"] for row in rows} == set(training_choices.STUDIES)
    assert len(rows) == sum(map(len, training_choices.STUDIES.values()))
    assert all(len(curve) == 2 for row in rows for curve in row["curves"])
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_row_says_what_the_seeds_came_to(monkeypatch):
    curves = {0: [9.0, 8.0, 7.0, 5.0, 5.0, 4.0, 3.0, 3.0, 3.0], 1: [9.0, 9.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0]}
    monkeypatch.setattr(training_choices, "train", lambda changes, by_heart, seed, *_: (curves[seed], 2.0 + seed))
    row = training_choices.measure("said", "name", {}, range(2), 7, 1)
    assert (row["loss"], row["range"], row["seconds"]) == (2.0, [1.0, 3.0], 2.5)
    assert row["rises"] == pytest.approx((0 + 3 / (19 / 8)) / 2)
    text = training_choices.table([row], {"steps": 7, "seeds": 2})
    said, line = text.splitlines()[-2:]
    assert said == "said" and line.split() == ["name", "2.000", "1.000", "-", "3.000", "0.63", "2.5"]


def test_settings_differ_in_one_thing():
    for said, settings in training_choices.STUDIES.items():
        for changes in settings.values():
            assert changes.keys() <= {"learning_rate", "batch_tokens", "optimizer", "l1", "l2", "weight_decay"}, said


def test_a_curve_is_that_of_a_training_in_one_piece():
    losses, seconds = training_choices.train({}, False, 0, 6, 3)
    again, _ = training_choices.train({}, False, 0, 6, 6)
    assert losses[-1] == again[-1] and len(losses) == 2 and seconds > 0
    other, _ = training_choices.train({}, True, 0, 6, 6)
    assert other != again
