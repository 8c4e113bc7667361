"""Saves that are cut, at every call that changes the file system: what was good before stays readable."""

import builtins
import os
import shutil

import numpy as np
import pytest

from minisora.checkpoint import download, load, save
from minisora.config import SoraConfig
from minisora.model import SoraModel
from minisora.text.tokenizer import SoraTokenizer
from minisora.training import Trainer, TrainingConfig

FILES = {"model.safetensors", "config.json", "tokenizer.json"}
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


CHANGES = ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir")
LOOKS = ("open", "fdopen", "stat", "lstat", "scandir", "listdir")


class Torn:
    """A file opened for writing, each use of which may fail: of what is written then, one half arrives."""

    def __init__(self, file, count):
        self.file, self.count = file, count

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        self.count("write")
        return self.file.write(data[len(data) // 2 :])

    def flush(self):
        self.count("flush")
        self.file.flush()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()
        if error[0] is None:
            self.count("close")


def fail_at(monkeypatch, number, *, once, every):
    """Let the ``number``-th use of the file system fail, and all behind it, as after a power cut, or just that one.

    Unless ``every`` use counts, it is those that make, sync, rename or take away.
    """
    calls = []

    def count(name):
        calls.append(name)
        if len(calls) == number or (len(calls) > number and not once):
            raise Fault(f"call {len(calls)}: {name}")

    def failing(function):
        def call(*args, **kwargs):
            count(function.__name__)
            return function(*args, **kwargs)

        return call

    for name in CHANGES + LOOKS * every:
        monkeypatch.setattr(os, name, failing(getattr(os, name)))
    really_open = builtins.open

    def open_(path, mode="r", *args, **kwargs):
        changes = bool(set(mode) & set("wax+"))
        if changes or every:
            count("open")
        file = really_open(path, mode, *args, **kwargs)
        return Torn(file, count) if changes and every else file

    monkeypatch.setattr(builtins, "open", open_)
    return calls


def fault_everywhere(write, check, prepare=lambda: None, *, once=False, every=True):
    """Run ``write`` with the first call failing, then the second, ... until it comes through; the number of runs."""
    number = 0
    while True:
        number += 1
        prepare()
        with pytest.MonkeyPatch.context() as monkeypatch:
            calls = fail_at(monkeypatch, number, once=once, every=every)
            try:
                write()
            except Fault:
                pass
            except ValueError as error:  # a file that cannot be read may be another program's, or none
                assert "\n" not in str(error)
            done = len(calls) < number
        check()
        if done:
            return number


both = pytest.mark.parametrize("once", [True, False], ids=["once", "power cut"])


@both
def test_a_save_that_is_cut_anywhere_leaves_a_model_in_its_place(tmp_path, once):
    """After a fault at any call the folder holds the old model or the new one, whole; after one fault, nothing else."""
    old, new = make_model(1), make_model(2)
    seen = set()

    def write():
        save(tmp_path / "model", new, SOURCE)

    def check():
        first = next(iter(arrays(load(tmp_path / "model").model).values()))
        which = [np.array_equal(first, next(iter(arrays(model).values()))) for model in (old, new)]
        assert sum(which) == 1
        seen.add(which.index(True))
        assert not once or set(os.listdir(tmp_path / "model")) <= FILES
        save(tmp_path / "model", old, SOURCE)

    save(tmp_path / "model", old, SOURCE)
    assert fault_everywhere(write, check, once=once) > 30
    assert seen == {0, 1}


@both
@pytest.mark.parametrize("make", ["save", "download"])
def test_a_new_folder_is_whole_or_not_there(tmp_path, make, once):
    """And after one fault that could be cleaned up, there is nothing beside it."""
    model, folder = make_model(1), tmp_path / "new" / "model"
    save(tmp_path / "there", model, SOURCE)
    whole = []

    def prepare():
        shutil.rmtree(tmp_path / "new", ignore_errors=True)

    def write():
        if make == "save":
            save(folder, model, SOURCE)
        else:
            download(tmp_path / "there", folder)

    def check():
        whole.append(folder.exists())
        if folder.exists():
            assert_same(model, load(folder).model)
            assert set(os.listdir(folder)) == FILES

    assert fault_everywhere(write, check, prepare, once=once) > 20
    assert set(whole) == {False, True} and whole[-1]


@both
def test_a_tokenizer_is_the_old_or_the_new(tmp_path, once):
    old, new = SOURCE, SoraTokenizer.learn(["abc"])
    old.save_pretrained(tmp_path)

    def check():
        assert SoraTokenizer.from_pretrained(tmp_path) in (old, new)
        assert not once or os.listdir(tmp_path) == ["tokenizer.json"]
        old.save_pretrained(tmp_path)

    assert fault_everywhere(lambda: new.save_pretrained(tmp_path), check, once=once) > 5
    assert SoraTokenizer.from_pretrained(tmp_path) == old


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["changes", "every"])
def test_a_training_whose_save_is_cut_anywhere_goes_on_exactly(tmp_path, every):
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
    make_trainer(tmp_path / "begun").fit(stop_after=2, progress_bar=False)

    def prepare():
        nonlocal current
        folder = shutil.copytree(tmp_path / "begun", tmp_path / str(next(folders)))
        current = make_trainer(folder)

    def check():
        assert load(current.folder / "step-2" if (current.folder / "step-2").exists() else current.folder)
        resumed = make_trainer(current.folder)
        resumed.fit(resume=True, progress_bar=False)
        assert_same(whole.model, resumed.model)
        names = sorted(path.name for path in current.folder.iterdir())
        assert names == sorted({"best", "latest", "log.jsonl", "step-3", (current.folder / "best").read_text().strip()})

    assert fault_everywhere(lambda: current.fit(resume=True, progress_bar=False), check, prepare, every=every) > 20
