"""The Trainer: it learns, resumes exactly, keeps the best, and stops when asked."""

import json
import os
import signal

import numpy as np
import pytest

from minisora.checkpoint import CheckpointError, load
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.layer import Parameter
from minisora.model import SoraModel
from minisora.training import Trainer, TrainingConfig
from minisora.training.log import read_log
from minisora.training.stopping import Stopping


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
        {"backend": "numba", "shards": 2, "dropout": 0.1},
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
        "2 steps, it has 3": {"steps": 2},
        "dropout = 0.1, not 0.2$": {"dropout": 0.2},
        "other dev pairs": {"dev": pairs[:3]},
    }
    for message, changes in refused.items():
        with pytest.raises(CheckpointError, match=message):
            fit(make_model, pairs, tokenizer, tmp_path, resume=True, **changes)
    with pytest.raises(CheckpointError, match="other data"):
        fit(make_model, pairs[:-1], tokenizer, tmp_path, resume=True)
    fit(make_model, pairs, tokenizer, tmp_path, resume=True, save_every=2)  # what changes no number may change


@pytest.mark.parametrize("dev", [None, 4])
def test_another_dev_set_is_not_resumed(make_model, pairs, tokenizer, tmp_path, dev):
    fit(make_model, pairs, tokenizer, tmp_path, stop_after=3, dev=pairs[:3])
    with pytest.raises(CheckpointError, match="step-3 was trained with other dev pairs"):
        fit(make_model, pairs, tokenizer, tmp_path, resume=True, dev=pairs[:dev] if dev else None)
    path = tmp_path / "step-3" / "trainer.json"
    state = json.loads(path.read_text())
    del state["dev"]  # as it was written before dev was kept
    path.write_text(json.dumps(state))
    fit(make_model, pairs, tokenizer, tmp_path, resume=True)


@pytest.mark.parametrize("schedule", ["inverse_sqrt", "constant"])
def test_more_steps_where_the_schedule_allows_it(make_model, pairs, tokenizer, tmp_path, schedule):
    whole, _ = fit(make_model, pairs, tokenizer, schedule=schedule, steps=9)
    fit(make_model, pairs, tokenizer, tmp_path, schedule=schedule, steps=5)
    longer, result = fit(make_model, pairs, tokenizer, tmp_path, schedule=schedule, steps=9, resume=True)
    assert (result.step, result.reason) == (9, "finished")
    assert_same_bits(whole, longer)
    fit(make_model, pairs, tokenizer, tmp_path / "cosine", schedule="cosine", steps=5)
    with pytest.raises(CheckpointError, match="steps = 5, it cannot go on with 9"):
        fit(make_model, pairs, tokenizer, tmp_path / "cosine", schedule="cosine", steps=9, resume=True)


class ScaledAttention(MultiHeadAttention):
    """An attention with a parameter of its own."""

    def __init__(self, *args, dtype=np.float32, **kwargs):
        super().__init__(*args, dtype=dtype, **kwargs)
        self.scale = Parameter(np.ones(3))  # float64, whatever the others are


def test_a_model_with_its_own_layers_is_resumed_and_loaded(make_model, pairs, tokenizer, tmp_path):
    own = {"attention": ScaledAttention}

    def make(**changes):
        return SoraModel(make_model(**changes).config, np.random.default_rng(0), layers=own)

    whole, _ = fit(make, pairs, tokenizer)
    fit(make, pairs, tokenizer, tmp_path, stop_after=5)
    with pytest.raises(CheckpointError, match="was saved with its own attention layer, this model has no own layers"):
        fit(make_model, pairs, tokenizer, tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="its own attention layer; give layers="):
        load(tmp_path)
    parts, _ = fit(make, pairs, tokenizer, tmp_path, resume=True)
    assert_same_bits(whole, parts)
    back = SoraModel.from_pretrained(tmp_path, layers=own)
    for (name, parameter), (other, loaded) in zip(whole.model.parameters(), back.parameters(), strict=True):
        assert name == other
        np.testing.assert_array_equal(parameter.data, loaded.data)


def test_a_model_of_another_type_is_not_resumed(make_model, pairs, tokenizer, tmp_path):
    fit(make_model, pairs, tokenizer, tmp_path, stop_after=2)
    with pytest.raises(CheckpointError, match="as float32, the model has float64"):
        fit(make_model, pairs, tokenizer, tmp_path, resume=True, dtype=np.float64)


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


def damaged_state(**changes):
    def change(state):
        state["progress"].update(changes)
        return state

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {},
        lambda _: [],
        lambda state: {**state, "progress": 3},
        lambda state: {**state, "config": []},
        lambda state: {**state, "config": {"steps": "many"}},
        damaged_state(step="2"),
        damaged_state(step=True),
        damaged_state(step=-1),
        damaged_state(position=3),
        damaged_state(position=[0, None]),
        damaged_state(tokens=None),
        damaged_state(minutes="1"),
        damaged_state(best_step=[2]),
        damaged_state(stale=-1),
        damaged_state(best_score=0.5),
        damaged_state(best_score=["a", "b"]),
        damaged_state(colour=1),
    ],
)
def test_a_state_that_is_none_is_one_sentence(make_model, pairs, tokenizer, tmp_path, change):
    fit(make_model, pairs, tokenizer, tmp_path, stop_after=2)
    path = tmp_path / "step-2" / "trainer.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(CheckpointError, match=r"trainer\.json is not the state of a training: ") as caught:
        fit(make_model, pairs, tokenizer, tmp_path, resume=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["garbage", "{}", "[]", '{"step": "3"}', "\udcff"])
def test_a_line_of_the_log_that_is_none_is_named(make_model, pairs, tokenizer, tmp_path, line):
    fit(make_model, pairs, tokenizer, tmp_path, stop_after=5)
    path = tmp_path / "log.jsonl"
    path.write_bytes(path.read_bytes() + line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(CheckpointError, match=r"log\.jsonl:2 is not a record of a training"):
        fit(make_model, pairs, tokenizer, tmp_path, resume=True)


def fake_scores(monkeypatch, by_step):
    """Let ``score_pairs`` find the loss ``by_step(step)``, whatever the model does."""
    from minisora.training.scoring import Score

    judged = []

    def judge(trainer, progress):
        judged.append(progress.step)
        monkeypatch.setattr("minisora.training.trainer.score_pairs", lambda *_: Score(by_step(progress.step), 0.5, 10))
        return really(trainer, progress)

    really = Trainer._judge
    monkeypatch.setattr(Trainer, "_judge", judge)
    return judged


@pytest.mark.parametrize("end", ["stop_after", "max_minutes", "interrupted"])
def test_a_stop_where_dev_is_due_judges(make_model, pairs, tokenizer, tmp_path, monkeypatch, end):
    """The best step is 6, at which the training stops for one reason or another."""
    judged = fake_scores(monkeypatch, lambda step: 2.0 if step == 6 else 3.0)
    same = {"eval_every": 3, "dev": pairs[:3]}
    _, whole = fit(make_model, pairs, tokenizer, tmp_path / "whole", **same)
    assert judged == [3, 6, 9, 12]
    trainer = make_trainer(make_model, pairs, tokenizer, tmp_path / "parts", **same)
    with monkeypatch.context() as patch:
        if end != "stop_after":
            patch.setattr(Stopping, "reason", lambda _: end if trainer.progress.step == 6 else None)
        first = trainer.fit(stop_after=6 if end == "stop_after" else None, progress_bar=False)
    assert (first.step, first.reason, first.best_step) == (6, end, 6)
    _, rest = fit(make_model, pairs, tokenizer, tmp_path / "parts", resume=True, **same)
    assert judged[4:] == [3, 6, 9, 12]
    assert rest.best_step == whole.best_step == 6
    assert (tmp_path / "parts" / "best").read_text() == (tmp_path / "whole" / "best").read_text() == "step-6\n"


@pytest.mark.parametrize("eval_every", [0, 3])
@pytest.mark.parametrize("own", [False, True])
def test_what_the_end_of_the_time_is_judged_by_does_not_outlive_it(
    make_model, pairs, tokenizer, tmp_path, monkeypatch, eval_every, own
):
    """Step 4, where no dev is due, is the best of all: its checkpoint is named until the training goes on."""
    fake_scores(monkeypatch, lambda step: 1.0 if step == 4 else 3.0 - step / 100)
    same = {"eval_every": eval_every, "dev": pairs[:3], "steps": 6}
    trainer = make_trainer(make_model, pairs, tokenizer, tmp_path, **same)
    with monkeypatch.context() as patch:
        patch.setattr(Stopping, "reason", lambda _: "max_minutes" if trainer.progress.step == 4 else None)
        assert trainer.fit(progress_bar=False).best_step == 4
    assert (tmp_path / "best").read_text() == "step-4\n"
    if own:
        result = trainer.fit(progress_bar=False)
    else:
        _, result = fit(make_model, pairs, tokenizer, tmp_path, resume=True, **same)
    assert result.best_step == 6
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-6"]
    assert (tmp_path / "best").read_text() == "step-6\n"


@pytest.mark.parametrize("eval_every", [0, 3])
def test_the_last_step_saves_what_it_was_judged(make_model, pairs, tokenizer, tmp_path, monkeypatch, eval_every):
    """Due for saving and not for dev: `trainer.json` names the best step that `best` names."""
    fake_scores(monkeypatch, lambda step: 2.0 - step / 100)
    same = {"eval_every": eval_every, "save_every": 5, "steps": 10, "dev": pairs[:3]}
    _, result = fit(make_model, pairs, tokenizer, tmp_path, **same)
    assert result.best_step == 10
    state = json.loads((tmp_path / "step-10" / "trainer.json").read_text())
    assert state["progress"]["best_step"] == 10
    _, again = fit(make_model, pairs, tokenizer, tmp_path, resume=True, **same)
    assert (again.step, again.best_step) == (10, 10)
    assert (tmp_path / "best").read_text() == "step-10\n"
    assert load(tmp_path)


def test_a_best_checkpoint_that_is_gone_is_not_named_again(make_model, pairs, tokenizer, tmp_path):
    fit(make_model, pairs, tokenizer, tmp_path, stop_after=4, eval_every=4, dev=pairs[:3])
    path = tmp_path / "step-4" / "trainer.json"
    state = json.loads(path.read_text())
    state["progress"]["best_step"] = 3
    path.write_text(json.dumps(state))
    trainer = make_trainer(make_model, pairs, tokenizer, tmp_path, eval_every=4, dev=pairs[:3])
    trainer.fit(resume=True, stop_after=5, progress_bar=False)
    assert (tmp_path / "best").read_text() == "step-4\n"
    assert load(tmp_path)


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


def test_patience_ends_a_training_that_gets_no_better(make_model, pairs, tokenizer, tmp_path, monkeypatch):
    """Judged best at step 4; the second judgement after it is at step 8. A stop between them loses no count."""
    losses = {2: 3.0, 4: 2.0, 6: 2.5, 8: 2.6, 10: 1.0}
    fake_scores(monkeypatch, losses.get)
    same = {"eval_every": 2, "patience": 2, "dev": pairs[:3], "steps": 10}
    _, whole = fit(make_model, pairs, tokenizer, tmp_path / "whole", **same)
    assert (whole.step, whole.reason, whole.best_step) == (8, "patience", 4)
    fit(make_model, pairs, tokenizer, tmp_path / "parts", stop_after=7, **same)
    _, rest = fit(make_model, pairs, tokenizer, tmp_path / "parts", resume=True, **same)
    assert (rest.step, rest.reason, rest.best_step) == (8, "patience", 4)
    _, longer = fit(make_model, pairs, tokenizer, tmp_path / "parts", resume=True, **same | {"patience": 3})
    assert (longer.step, longer.reason, longer.best_step) == (10, "finished", 10)


def test_patience_does_not_end_what_is_finished(make_model, pairs, tokenizer, monkeypatch):
    fake_scores(monkeypatch, float)
    same = {"eval_every": 2, "dev": pairs[:3], "steps": 6}
    assert fit(make_model, pairs, tokenizer, patience=2, **same)[1].reason == "finished"
    assert fit(make_model, pairs, tokenizer, patience=1, **same)[1][:2] == (4, "patience")
    with pytest.raises(ValueError, match="patience is for judgements on dev, got no dev pairs"):
        fit(make_model, pairs, tokenizer, patience=1)


def test_a_state_from_before_patience_goes_on(make_model, pairs, tokenizer, tmp_path):
    fit(make_model, pairs, tokenizer, tmp_path, stop_after=2)
    path = tmp_path / "step-2" / "trainer.json"
    state = json.loads(path.read_text())
    del state["progress"]["stale"], state["config"]["patience"], state["config"]["l1"]
    path.write_text(json.dumps(state))
    assert fit(make_model, pairs, tokenizer, tmp_path, resume=True)[1].reason == "finished"


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


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_gradient_that_is_not_finite_ends_it_before_it_is_used(make_model, pairs, tokenizer, monkeypatch, value):
    trainer, _ = fit(make_model, pairs, tokenizer, stop_after=2)
    before = {name: array.copy() for name, array in values(trainer).items()}
    gradients = trainer.gradients

    def broken(*args):
        result = gradients(*args)
        trainer.optimizer.named[1][1].grad.flat[3] = value
        return result

    monkeypatch.setattr(trainer, "gradients", broken)
    with pytest.raises(ValueError, match=r"finite gradient, got one of norm (inf|nan) at step 3: a smaller learning"):
        trainer.fit(progress_bar=False)
    for name, array in values(trainer).items():
        np.testing.assert_array_equal(array, before[name])
    assert trainer.progress.step == 2


def test_the_loss_of_a_short_training_is_a_number(make_model, pairs, tokenizer):
    trainer, result = fit(make_model, pairs, tokenizer, stop_after=3)
    assert np.isfinite(result.loss)
    assert trainer.fit(stop_after=3, progress_bar=False).loss is None  # no step was made


def test_pairs_that_do_not_fit_are_found_at_once(make_model, pairs, tokenizer):
    long, empty = ("甲" * 20, "甲"), ("", "甲")
    for one, message in ((long, "at most 19 tokens, got 20"), (empty, "at least one token")):
        with pytest.raises(ValueError, match=f"to train on: .*{message}"):
            make_trainer(make_model, [*pairs, one], tokenizer)
        with pytest.raises(ValueError, match=f"dev: .*{message}"):
            make_trainer(make_model, pairs, tokenizer, dev=[pairs[0], one])
    with pytest.raises(ValueError, match="at least one dev pair, got an empty list"):
        make_trainer(make_model, pairs, tokenizer, dev=[])


def test_a_tokenizer_with_other_special_ids_is_refused(make_model, pairs, tokenizer):
    with pytest.raises(ValueError, match="source tokenizer with eos_id 4, as the config says, got 2"):
        Trainer(make_model(eos_id=4), pairs, tokenizer)


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
