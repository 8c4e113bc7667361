"""TrainingConfig: JSON and refusals."""

import json

import pytest

from minisora.training import TrainingConfig


def test_json_both_ways():
    config = TrainingConfig(steps=7, betas=(0.8, 0.9), clip=None, schedule="cosine")
    assert TrainingConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", 1.5),
        ("steps", True),
        ("batch_tokens", -1),
        ("batch_examples", 0),
        ("chunk_examples", 0),
        ("chunk_examples", 10**23),
        ("warmup_steps", -1),
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("betas", (0.9,)),
        ("betas", (0.9, 1.0)),
        ("clip", 0),
        ("label_smoothing", 1),
        ("decay_from", 1.5),
        ("schedule", "square"),
        ("optimizer", "lion"),
        ("select", "bleu"),
        ("threads", 0),
        ("shards", 0),
        ("weight_decay", "much"),
        ("seed", -3),
    ],
)
def test_a_value_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=f"expected {name} to be .*, got "):
        TrainingConfig(**{name: value})


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="'stepz'"):
        TrainingConfig.from_json(json.dumps({"stepz": 3}))
    with pytest.raises(ValueError, match="JSON object"):
        TrainingConfig.from_json("[3]")


def test_what_changes_no_number_is_no_identity():
    config = TrainingConfig()
    assert (
        TrainingConfig(eval_every=7, save_every=3, log_every=2, keep=5, threads=3, select="loss").identity()
        == config.identity()
    )
    assert TrainingConfig(shards=2).identity() != config.identity()


def test_steps_are_part_of_the_identity_where_the_schedule_depends_on_them():
    for schedule, same in (("inverse_sqrt", True), ("constant", True), ("cosine", False), ("linear", False)):
        one, other = (TrainingConfig(schedule=schedule, steps=steps).identity() for steps in (2, 3))
        assert (one == other) is same
