"""The Trainer: it learns, resumes exactly, keeps the best, and stops when asked."""

import json
import os
import signal

import numpy as np
import pytest

from minisora.checkpoint import CheckpointError, load
from minisora.training import Trainer, TrainingConfig
from minisora.training.log import read_log


def make_trainer(make_model, pairs, tokenizer, folder=None, *, dropout=0.1, dev=None, dtype=np.float32, **changes):
    settings = {
        "steps": 12,
        "batch_tokens": 90,
        "chunk_examples": 41,
        "warmup_steps": 3,
        "log_every": 5,
        "eval_every": 0,
    }
    config = TrainingConfig(**{**settings, "learning_rate": 0.01, "seed": 3, **changes})
    return Trainer(make_model(dropout=dropout, dtype=dtype), pairs, tokenizer, config=config, dev=dev, folder=folder)


def fit(*args, stop_after=None, resume=False, max_minutes=None, **changes):
    trainer = make_trainer(*args, **changes)
    result = trainer.fit(stop_after=stop_after, resume=resume, max_minutes=max_minutes, progress_bar=False)
    return trainer, result


def values(trainer):
    """Everything that a step changes."""
    return {**{name: p.data for name, p in trainer.model.parameters()}, **trainer.optimizer.state()}


def assert_same_bits(one, other):
    for name, array in values(one).items():
        np.testing.assert_array_equal(values(other)[name], array, err_msg=name)


def test_it_learns(make_model, pairs, tokenizer):
    """Turning five characters round is learnt from 113 pairs in a few hundred steps."""
    changes = {"steps": 400, "batch_tokens": 500, "warmup_steps": 40, "schedule": "cosine", "log_every": 100}
    _, result = fit(make_model, pairs, tokenizer, dropout=0.0, dev=pairs[:40], **changes)
    losses = [record["loss"] for record in result.records if "loss" in record]
    assert result.reason == "finished"
    assert losses[-1] < 0.5 < losses[0]
    assert result.records[-1]["dev"]["exact_match"] > 0.5


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adamw", "schedule": "cosine", "accumulate": 2, "label_smoothing": 0.1},
        {"optimizer": "sgd", "shards": 2, "learning_rate": 0.1},
    ],
)
def test_twice_fifty_steps_are_a_hundred(make_model, pairs, tokenizer, tmp_path, changes):
    """Bit for bit: parameters, moments, dropout keys, position in the data (in the middle of a chunk)."""
    same = {"steps": 100, "eval_every": 30, "dev": pairs[:5], **changes}
    whole, _ = fit(make_model, pairs, tokenizer, tmp_path / "whole", **same)
    _, half = fit(make_model, pairs, tokenizer, tmp_path / "parts", stop_after=50, **same)
    parts, rest = fit(make_model, pairs, tokenizer, tmp_path / "parts", resume=True, **same)
    assert (half.step, half.reason, rest.step, rest.reason) == (50, "stop_after", 100, "finished")
    assert_same_bits(whole, parts)
    for name in ("best", "latest"):
        assert (tmp_path / "whole" / name).read_text() == (tmp_path / "parts" / name).read_text()


def test_a_training_is_repeatable(make_model, pairs, tokenizer):
    one, first = fit(make_model, pairs, tokenizer)
    other, second = fit(make_model, pairs, tokenizer)
    assert_same_bits(one, other)
    assert first.loss == second.loss
    third, _ = fit(make_model, pairs, tokenizer, seed=4)
    name = next(iter(values(one)))
    assert (values(one)[name] != values(third)[name]).any()


@pytest.mark.parametrize("saved", [False, True])
def test_a_stopped_trainer_goes_on(make_model, pairs, tokenizer, tmp_path, saved):
    whole, _ = fit(make_model, pairs, tokenizer)
    trainer, _ = fit(make_model, pairs, tokenizer, tmp_path if saved else None, stop_after=7)
    assert trainer.fit(progress_bar=False).step == 12
    assert_same_bits(whole, trainer)


def test_a_crash_between_checkpoints_costs_only_the_steps_since(make_model, pairs, tokenizer, tmp_path, monkeypatch):
    """The log forgets what came after the checkpoint, and the same steps come again."""
    whole, _ = fit(make_model, pairs, tokenizer, tmp_path / "whole", save_every=4)
    broken = make_trainer(make_model, pairs, tokenizer, tmp_path / "broken", save_every=4)
    step = broken.optimizer.step

    def crash():
        if broken.optimizer.steps == 10:
            raise OSError("the power is gone")
        step()

    monkeypatch.setattr(broken.optimizer, "step", crash)
    with pytest.raises(OSError, match="power"):
        broken.fit(progress_bar=False)
    with open(tmp_path / "broken" / "log.jsonl", "a") as file:
        file.write('{"step": 11, "lo')  # a line that was cut
    resumed, _ = fit(make_model, pairs, tokenizer, tmp_path / "broken", save_every=4, resume=True)
    assert_same_bits(whole, resumed)
    assert [record["step"] for record in read_log(tmp_path / "broken" / "log.jsonl")] == [5, 10, 12]


def test_another_training_is_not_resumed(make_model, pairs, tokenizer, tmp_path):
    fit(make_model, pairs, tokenizer, tmp_path, stop_after=3)
    refused = {
        "seed = 3, it cannot go on with 4": {"seed": 4},
        "learning_rate = 0.01, it cannot go on with 0.02": {"learning_rate": 0.02},
        "steps = 12": {"steps": 13},
        "another configuration": {"dropout": 0.2},
    }
    for message, changes in refused.items():
        with pytest.raises(CheckpointError, match=message):
            fit(make_model, pairs, tokenizer, tmp_path, resume=True, **changes)
    with pytest.raises(CheckpointError, match="other data"):
        fit(make_model, pairs[:-1], tokenizer, tmp_path, resume=True)
    fit(make_model, pairs, tokenizer, tmp_path, resume=True, save_every=2)  # what changes no number may change


def test_other_tokenizers_are_not_resumed(make_model, pairs, tokenizer, tmp_path):
    fit(make_model, pairs, tokenizer, tmp_path, stop_after=3)
    other = type(tokenizer).learn(["甲乙丙丁己"])
    with pytest.raises(CheckpointError, match="other tokenizers"):
        fit(make_model, pairs, other, tmp_path, resume=True)


def test_resume_needs_a_training(make_model, pairs, tokenizer, tmp_path):
    with pytest.raises(CheckpointError, match="found none"):
        fit(make_model, pairs, tokenizer, tmp_path / "empty", resume=True)
    with pytest.raises(ValueError, match="a folder to resume from"):
        fit(make_model, pairs, tokenizer, resume=True)
    fit(make_model, pairs, tokenizer, tmp_path, stop_after=2)
    with pytest.raises(ValueError, match="holds a training: resume it"):
        fit(make_model, pairs, tokenizer, tmp_path)


@pytest.mark.parametrize("file", ["trainer.json", "optimizer.safetensors", "model.safetensors"])
def test_a_damaged_checkpoint_is_named(make_model, pairs, tokenizer, tmp_path, file):
    fit(make_model, pairs, tokenizer, tmp_path, stop_after=2)
    path = tmp_path / "step-2" / file
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match=file):
        fit(make_model, pairs, tokenizer, tmp_path, resume=True)
    path.unlink()
    with pytest.raises(CheckpointError):
        fit(make_model, pairs, tokenizer, tmp_path, resume=True)


def test_the_best_checkpoint_stays(make_model, pairs, tokenizer, tmp_path, monkeypatch):
    """Judged 3, 9, 9, 5 of ten at steps 2, 4, 6, 8: the loss decides between 4 and 6; of the others the last stays."""
    from minisora.training.scoring import Score

    scores = iter([Score(2.0, 0.3, 10), Score(0.9, 0.9, 10), Score(0.8, 0.9, 10), Score(0.1, 0.5, 10)])
    monkeypatch.setattr("minisora.training.trainer.score_pairs", lambda *_: next(scores))
    trainer, result = fit(make_model, pairs, tokenizer, tmp_path, steps=8, eval_every=2, save_every=3, dev=pairs)
    assert result.best_step == 6
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-6", "step-8"]
    assert [(tmp_path / name).read_text() for name in ("best", "latest")] == ["step-6\n", "step-8\n"]
    best, latest = load(tmp_path), load(tmp_path / "step-8")
    name, parameter = next(trainer.model.parameters())
    np.testing.assert_array_equal(dict(latest.model.parameters())[name].data, parameter.data)
    assert (dict(best.model.parameters())[name].data != parameter.data).any()


def test_selection_by_loss(make_model, pairs, tokenizer, monkeypatch):
    from minisora.training.scoring import Score

    scores = iter([Score(2.0, 0.3, 10), Score(0.9, 0.9, 10), Score(0.1, 0.5, 10)])
    monkeypatch.setattr("minisora.training.trainer.score_pairs", lambda *_: next(scores))
    assert fit(make_model, pairs, tokenizer, steps=6, eval_every=2, dev=pairs, select="loss")[1].best_step == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_after_the_step_with_everything_saved(make_model, pairs, tokenizer, tmp_path, number):
    whole, _ = fit(make_model, pairs, tokenizer)
    trainer = make_trainer(make_model, pairs, tokenizer, tmp_path)
    step = trainer.optimizer.step

    def step_and_signal():
        if trainer.optimizer.steps == 4:
            os.kill(os.getpid(), number)
        step()

    trainer.optimizer.step = step_and_signal
    former = signal.getsignal(number)
    result = trainer.fit(progress_bar=False)
    assert (result.step, result.reason) == (5, "interrupted")
    assert signal.getsignal(number) is former
    resumed, _ = fit(make_model, pairs, tokenizer, tmp_path, resume=True)
    assert_same_bits(whole, resumed)


def test_the_time_ends_it(make_model, pairs, tokenizer, tmp_path):
    _, result = fit(make_model, pairs, tokenizer, tmp_path, dev=pairs[:3], max_minutes=1e-9)
    assert (result.step, result.reason, result.best_step) == (1, "max_minutes", 1)
    assert fit(make_model, pairs, tokenizer, tmp_path, dev=pairs[:3], resume=True)[1].step == 12


def test_a_loss_that_is_not_finite_ends_it(make_model, pairs, tokenizer, tmp_path):
    trainer = make_trainer(make_model, pairs, tokenizer, tmp_path)
    trainer.fit(stop_after=2, progress_bar=False)
    next(trainer.model.parameters())[1].data[:] = np.nan
    with pytest.raises(ValueError, match="the loss is nan at step 3: a smaller learning rate"):
        trainer.fit(progress_bar=False)
    assert (tmp_path / "latest").read_text() == "step-2\n"


def test_a_tokenizer_of_another_size_is_refused(make_model, pairs, tokenizer):
    with pytest.raises(ValueError, match=f"source tokenizer of {tokenizer.vocab_size} tokens"):
        Trainer(make_model(), pairs, type(tokenizer).learn(["甲"]))


def test_the_log_and_the_bar(make_model, pairs, tokenizer, tmp_path, capsys):
    trainer = make_trainer(make_model, pairs, tokenizer, tmp_path, eval_every=6, dev=pairs[:4])
    trainer.fit()
    shown = capsys.readouterr().err
    assert "loss" in shown
    assert "tokens/s" in shown
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [5, 6, 10, 12, 12]
    assert {"loss", "learning_rate", "gradient_norm", "tokens", "tokens_per_second", "minutes"} < records[0].keys()
    assert set(records[1]["dev"]) == {"loss", "exact_match", "n"}
