"""The mean of checkpoints: the numbers, which ones are taken, and what is refused."""

import re

import numpy as np
import pytest

from minisora.checkpoint import load
from minisora.training import Trainer, TrainingConfig, average_checkpoints, last_checkpoints


def train(model, pairs, tokenizer, folder, *stops, steps=11):
    """Train with a checkpoint every 3 steps, all of them kept; stop and go on where asked."""
    config = TrainingConfig(steps=steps, batch_tokens=90, chunk_examples=41, save_every=3, eval_every=0, keep=20)
    for stop in (*stops, None):
        trainer = Trainer(model, pairs, tokenizer, config=config, folder=folder)
        trainer.fit(resume=(folder / "latest").exists(), stop_after=stop, progress_bar=False)
    return folder


def test_the_mean_of_each_parameter(make_model, pairs, tokenizer, tmp_path):
    folder = train(make_model(), pairs, tokenizer, tmp_path)
    folders = last_checkpoints(folder, 2, 3)
    assert [path.name for path in folders] == ["step-6", "step-9"]
    model, source, target = average_checkpoints(folders)
    assert source == target == tokenizer
    both = [dict(load(path).model.parameters()) for path in folders]
    for name, parameter in model.parameters():
        one, other = (each[name].data.astype(np.float64) for each in both)
        assert not np.array_equal(one, other)
        np.testing.assert_allclose(parameter.data, (one + other) / 2, rtol=1e-6, atol=1e-9)
        assert parameter.data.dtype == np.float32


def test_the_mean_of_one_is_itself(make_model, pairs, tokenizer, tmp_path):
    folder = train(make_model(), pairs, tokenizer, tmp_path)
    mean = average_checkpoints([folder / "step-9"]).model
    for (name, parameter), (_, own) in zip(mean.parameters(), load(folder / "step-9").model.parameters(), strict=True):
        np.testing.assert_array_equal(parameter.data, own.data, err_msg=name)


def test_where_a_training_was_stopped_makes_no_difference(make_model, pairs, tokenizer, tmp_path):
    folder = train(make_model(), pairs, tokenizer, tmp_path, 4, 8)
    assert {path.name for path in folder.glob("step-*")} == {f"step-{step}" for step in (3, 6, 9, 11)}
    assert [path.name for path in last_checkpoints(folder, 3, 3)] == ["step-3", "step-6", "step-9"]


def test_too_few_are_refused(make_model, pairs, tokenizer, tmp_path):
    folder = train(make_model(), pairs, tokenizer, tmp_path)
    here = re.escape(str(tmp_path))
    with pytest.raises(ValueError, match=f"expected 4 checkpoints at multiples of 3 steps in {here}, got 3"):
        last_checkpoints(folder, 4, 3)
    with pytest.raises(ValueError, match="at least one checkpoint"):
        average_checkpoints([])


def test_another_training_is_refused(make_model, pairs, tokenizer, tmp_path):
    one = train(make_model(), pairs, tokenizer, tmp_path / "one", steps=1)
    other = train(make_model(d_ff=19), pairs, tokenizer, tmp_path / "other", steps=1)
    with pytest.raises(ValueError, match=r"expected checkpoints of one training, .*other.step-1 is of another than"):
        average_checkpoints([one / "step-1", other / "step-1"])
