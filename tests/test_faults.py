"""Saves that are cut, at every call that changes the file system: what was good before stays readable."""

import builtins
import os

import numpy as np
import pytest

from minisora.checkpoint import load, save
from minisora.config import SoraConfig
from minisora.model import SoraModel
from minisora.text.tokenizer import SoraTokenizer
from minisora.training import Trainer, TrainingConfig

SOURCE = SoraTokenizer.learn(["今天天气怎么样？"])


def make_model(seed):
    shape = {"d_model": 6, "num_heads": 2, "d_ff": 7, "num_encoder_layers": 1, "num_decoder_layers": 1, "max_len": 11}
    sizes = {"source_vocab_size": SOURCE.vocab_size, "target_vocab_size": SOURCE.vocab_size}
    return SoraModel(SoraConfig(**sizes, **shape), np.random.default_rng(seed))


def arrays(model):
    return {name: parameter.data for name, parameter in model.parameters()}


def assert_same(model, other):
    for name, array in arrays(model).items():
        np.testing.assert_array_equal(arrays(other)[name], array)


class Fault(OSError):
    """What the test makes fail."""


def fail_at(monkeypatch, number):
    """Let the ``number``-th call that changes the file system fail and all behind it, as after a power cut."""
    calls = []

    def failing(function):
        def call(*args, **kwargs):
            calls.append(function.__name__)
            if len(calls) >= number:
                raise Fault(f"call {len(calls)}: {function.__name__}")
            return function(*args, **kwargs)

        return call

    for name in ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))
    really_open = builtins.open

    def open_(path, mode="r", *args, **kwargs):
        return (
            failing(really_open)(path, mode, *args, **kwargs)
            if "w" in mode
            else really_open(path, mode, *args, **kwargs)
        )

    monkeypatch.setattr(builtins, "open", open_)
    return calls


def fault_everywhere(write, check, prepare=lambda: None):
    """Run ``write`` with the first call failing, then the second, ... until it comes through; the number of runs."""
    number = 0
    while True:
        number += 1
        prepare()
        with pytest.MonkeyPatch.context() as monkeypatch:
            calls = fail_at(monkeypatch, number)
            try:
                write()
                done = len(calls) < number
            except Fault:
                done = False
        check()
        if done:
            return number


def test_a_save_that_is_cut_anywhere_leaves_a_model_in_its_place(tmp_path):
    """After a fault at any call the folder holds the old model or the new one, whole."""
    old, new = make_model(1), make_model(2)
    seen = set()

    def write():
        save(tmp_path / "model", new, SOURCE)

    def check():
        first = next(iter(arrays(load(tmp_path / "model").model).values()))
        which = [np.array_equal(first, next(iter(arrays(model).values()))) for model in (old, new)]
        assert sum(which) == 1
        seen.add(which.index(True))
        save(tmp_path / "model", old, SOURCE)

    save(tmp_path / "model", old, SOURCE)
    assert fault_everywhere(write, check) > 10
    assert seen == {0, 1}


def test_a_new_folder_is_whole_or_not_there(tmp_path):
    model = make_model(1)

    def write():
        if not (tmp_path / "model").exists():
            save(tmp_path / "model", model, SOURCE)

    def check():
        if (tmp_path / "model").exists():
            assert_same(model, load(tmp_path / "model").model)

    assert fault_everywhere(write, check) > 5
    assert (tmp_path / "model").exists()


def test_a_training_whose_save_is_cut_anywhere_goes_on_exactly(tmp_path):
    """Whatever call of the third save fails: resuming gives the bits of the training that nothing happened to."""
    pairs, config = (
        [("今天", "天今"), ("怎么样", "样么怎")],
        TrainingConfig(steps=3, save_every=1, eval_every=1, log_every=1),
    )

    def make_trainer(folder):
        return Trainer(make_model(0), pairs, SOURCE, config=config, dev=pairs[:1], folder=folder)

    whole = make_trainer(None)
    whole.fit(progress_bar=False)
    folders = iter(range(1000))
    current = None

    def prepare():
        nonlocal current
        current = make_trainer(tmp_path / str(next(folders)))
        current.fit(stop_after=2, progress_bar=False)

    def check():
        assert load(current.folder / "step-2" if (current.folder / "step-2").exists() else current.folder)
        resumed = make_trainer(current.folder)
        resumed.fit(resume=True, progress_bar=False)
        assert_same(whole.model, resumed.model)
        names = sorted(path.name for path in current.folder.iterdir())
        assert names == sorted({"best", "latest", "log.jsonl", "step-3", (current.folder / "best").read_text().strip()})

    assert fault_everywhere(lambda: current.fit(progress_bar=False), check, prepare) > 20
