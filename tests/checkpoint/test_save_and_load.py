"""Saving and loading models: round trips, refusals, and the names that models go by."""

import json
import os
import random
import stat

import numpy as np
import pytest
import safetensors.numpy

from minisora import pretrained
from minisora.checkpoint import CheckpointError, load, model_files, save
from minisora.config import SoraConfig
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.normalization import LayerNorm
from minisora.model import SoraModel
from minisora.tensor_file import read_tensors, tensors_to_bytes
from minisora.text.tokenizer import SoraTokenizer

SOURCE, TARGET = SoraTokenizer.learn(["今天天气怎么样？"]), SoraTokenizer.learn(["a b c"], "whitespace")


def make_model(seed=0, *, target=SOURCE, dtype=np.float32, **changes):
    shape = {"d_model": 6, "num_heads": 2, "d_ff": 7, "num_encoder_layers": 1, "num_decoder_layers": 2, "max_len": 11}
    sizes = {"source_vocab_size": SOURCE.vocab_size, "target_vocab_size": target.vocab_size}
    return SoraModel(SoraConfig(**{**sizes, **shape, **changes}), np.random.default_rng(seed), dtype=dtype)


def arrays(model):
    return {name: parameter.data for name, parameter in model.parameters()}


def assert_same(model, other):
    assert model.config == other.config
    assert arrays(model).keys() == arrays(other).keys()
    for name, array in arrays(model).items():
        np.testing.assert_array_equal(arrays(other)[name], array)
        assert arrays(other)[name].dtype == array.dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
@pytest.mark.parametrize("tie", ["none", "output", "all"])
def test_there_and_back(tmp_path, tie, positions, dtype):
    model = make_model(tie=tie, positions=positions, dtype=dtype)
    save(tmp_path / "model", model, SOURCE)
    back = load(tmp_path / "model")
    assert_same(model, back.model)
    assert back.source_tokenizer == SOURCE
    assert back.target_tokenizer is back.source_tokenizer
    assert sorted(os.listdir(tmp_path / "model")) == ["config.json", "model.safetensors", "tokenizer.json"]


RECURRENT = [("rnn", True, "post"), ("gru", False, "pre"), ("lstm", True, "pre")]


@pytest.mark.parametrize(("cell", "bidirectional", "norm"), RECURRENT)
def test_a_recurrent_encoder_there_and_back(tmp_path, cell, bidirectional, norm):
    model = make_model(encoder="rnn", cell=cell, bidirectional=bidirectional, norm=norm, num_encoder_layers=2)
    save(tmp_path / "model", model, SOURCE)
    back = load(tmp_path / "model").model
    assert_same(model, back)
    ids = SOURCE.encode("今天天气", return_tensors="np")
    np.testing.assert_array_equal(model(ids, ids), back(ids, ids))


def test_a_copy_head_there_and_back(tmp_path):
    model = make_model(copy=True, tie="all")
    save(tmp_path / "model", model, SOURCE)
    back = load(tmp_path / "model").model
    assert_same(model, back)
    ids = SOURCE.encode("今天天气", return_tensors="np")
    np.testing.assert_array_equal(model(ids, ids), back(ids, ids))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(cell="rnn"), "the shape .* where its config implies"),
        (dict(bidirectional=False), "has no encoder.stack.recurrent.layers.0.w_x.weight"),
        (dict(encoder="transformer"), "which its config implies"),
        (dict(num_encoder_layers=3), "has no encoder.stack.recurrent.layers.2.left_to_right.w_x.weight"),
        (dict(num_encoder_layers=1 << 20), "fewer arrays than its config has layers"),
    ],
)
def test_another_recurrent_encoder_than_the_config_implies(tmp_path, changes, message):
    model = make_model(encoder="rnn", cell="lstm", num_encoder_layers=2)
    rewrite(tmp_path / "model", change_description=lambda d: d["config"].update(changes), model=model)
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path / "model")


def test_two_tokenizers(tmp_path):
    model = make_model(target=TARGET)
    save(tmp_path / "model", model, SOURCE, TARGET)
    back = load(str(tmp_path / "model"))
    assert (back.source_tokenizer, back.target_tokenizer) == (SOURCE, TARGET)
    assert (tmp_path / "model" / "target_tokenizer.json").is_file()


LEARNT = {
    "words": SoraTokenizer("words", [("今", -2.0), ("今天", -1.0), ("天", -3.5)]),
    "bpe": SoraTokenizer("bpe", [(5 + 97, 5 + 98), (261, 5 + 99)]),
    "normalised": SoraTokenizer.learn(["今天"], normalization="nfkc"),
}


@pytest.mark.parametrize("name", LEARNT)
def test_every_kind_of_tokenizer(tmp_path, name):
    tokenizer = LEARNT[name]
    save(tmp_path, make_model(source_vocab_size=tokenizer.vocab_size, target=TARGET), tokenizer, TARGET)
    back = load(tmp_path).source_tokenizer
    assert back == tokenizer and back.to_json() == tokenizer.to_json()
    (tmp_path / "tokenizer.json").unlink()
    assert load(tmp_path).source_tokenizer == tokenizer
    (tmp_path / "tokenizer.json").write_text(SOURCE.to_json())
    with pytest.raises(CheckpointError):
        load(tmp_path)


@pytest.mark.parametrize("name", LEARNT)
def test_a_damaged_tokenizer_of_any_kind(tmp_path, name):
    """In the header or beside it: one sentence, of the one type."""
    tokenizer, dice = LEARNT[name], random.Random(3)
    model = make_model(source_vocab_size=tokenizer.vocab_size, target=TARGET)
    content = json.loads(tokenizer.to_json())
    fields = [key for key in content if key not in ("format", "version")]
    junk = [None, [], {}, "今", 3, -1.5, 1e999, [[5, 6]], [5], ["今", "今"], "[" * 2000]
    for number in range(40):
        save(tmp_path / str(number), model, tokenizer, TARGET)
        path = tmp_path / str(number) / "tokenizer.json"
        path.write_text(json.dumps(content | {dice.choice(fields): dice.choice(junk)}))
        if path.read_text() != json.dumps(content):
            with pytest.raises(CheckpointError) as caught:
                load(path.parent)
            assert "\n" not in str(caught.value)


def test_one_file_is_the_model(tmp_path):
    """Config and tokenizers travel in the header: the other files may be missing."""
    save(tmp_path, make_model(target=TARGET), SOURCE, TARGET)
    for name in ("config.json", "tokenizer.json", "target_tokenizer.json"):
        (tmp_path / name).unlink()
    back = load(tmp_path)
    assert_same(make_model(target=TARGET), back.model)
    assert back.target_tokenizer == TARGET


def test_a_file_without_a_description_takes_the_files_beside_it(tmp_path):
    model = make_model()
    save(tmp_path, model, SOURCE)
    safetensors.numpy.save_file(arrays(model), tmp_path / "model.safetensors")
    assert_same(model, load(tmp_path).model)
    with pytest.raises(ValueError, match="not written by minisora"):
        save(tmp_path, model, SOURCE)
    (tmp_path / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        load(tmp_path)


def test_the_model_s_own_methods(tmp_path):
    model = make_model()
    model.save_pretrained(tmp_path / "model", SOURCE)
    assert_same(model, SoraModel.from_pretrained(tmp_path / "model"))


def test_half_precision(tmp_path):
    model = make_model()
    save(tmp_path / "model", model, SOURCE, dtype=np.float16)
    for name, array in arrays(load(tmp_path / "model").model).items():
        np.testing.assert_array_equal(array, arrays(model)[name].astype(np.float16).astype(np.float32))
        assert array.dtype == np.float32


def test_arrays_that_are_not_contiguous(tmp_path):
    model = make_model()
    expected = {name: array.copy() for name, array in arrays(model).items()}
    for _, parameter in model.parameters():
        parameter.data = np.asfortranarray(parameter.data)
    save(tmp_path / "model", model, SOURCE)
    for name, array in arrays(load(tmp_path / "model").model).items():
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_files_are_readable_as_umask_says(tmp_path):
    former = os.umask(0o022)
    try:
        save(tmp_path / "model", make_model(), SOURCE)
    finally:
        os.umask(former)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "model").iterdir()} == {0o644}


def test_a_training_s_folder_gives_its_best(tmp_path):
    for seed in (3, 7):
        save(tmp_path / f"step-{seed}", make_model(seed), SOURCE)
    (tmp_path / "latest").write_text("step-7\n")
    assert_same(make_model(7), load(tmp_path).model)
    (tmp_path / "best").write_text("step-3\n")
    assert_same(make_model(3), load(tmp_path).model)
    for text in ("../step-3", "step-", "", "/etc"):
        (tmp_path / "best").write_text(text)
        with pytest.raises(CheckpointError, match="must hold the name of a checkpoint"):
            load(tmp_path)
    (tmp_path / "best").write_text("step-5")
    with pytest.raises(CheckpointError, match=r"best names step-5, and there is no such checkpoint"):
        load(tmp_path)


def test_bundled_names_come_first(tmp_path, monkeypatch):
    """A folder of the same name in the working directory must not be taken for the bundled model."""
    save(tmp_path / "bundled" / "sora-tiny", make_model(1), SOURCE)
    save(tmp_path / "sora" / "sora-tiny", make_model(2), SOURCE)
    monkeypatch.setattr(pretrained, "__file__", str(tmp_path / "bundled" / "__init__.py"))
    monkeypatch.chdir(tmp_path)
    assert_same(make_model(1), load("sora/sora-tiny").model)
    with pytest.raises(CheckpointError, match=r"a bundled model \(sora/sora-tiny\) or a folder .* got 'sora/other'"):
        load("sora/other")


def test_a_folder_that_is_there_keeps_its_other_files(tmp_path):
    save(tmp_path, make_model(1, target=TARGET), SOURCE, TARGET)
    (tmp_path / "README.md").write_text("the card")
    save(tmp_path, make_model(2), SOURCE)
    assert_same(make_model(2), load(tmp_path).model)
    assert sorted(os.listdir(tmp_path)) == ["README.md", "config.json", "model.safetensors", "tokenizer.json"]


def test_what_cannot_be_loaded_is_not_saved(tmp_path):
    model = make_model()
    with pytest.raises(ValueError, match=f"source tokenizer of {SOURCE.vocab_size} tokens"):
        save(tmp_path / "model", model, TARGET)
    name, parameter = list(model.parameters())[3]
    parameter.data.flat[1] = np.nan
    with pytest.raises(ValueError, match=f"got a non-finite value in {name}"):
        save(tmp_path / "model", model, SOURCE)
    assert os.listdir(tmp_path) == []


def test_half_precision_that_overflows_is_not_saved(tmp_path):
    model = make_model()
    name, parameter = list(model.parameters())[3]
    parameter.data.flat[1] = 1e6
    with pytest.raises(ValueError, match=f"got a non-finite value in {name}"):
        save(tmp_path / "model", model, SOURCE, dtype=np.float16)


def test_a_tokenizer_with_other_special_ids_is_refused(tmp_path):
    with pytest.raises(ValueError, match="source tokenizer with pad_id 7, as the config says, got 0"):
        save(tmp_path / "model", make_model(pad_id=7), SOURCE)
    rewrite(tmp_path / "model", change_description=lambda d: d["config"].update(bos_id=4))
    with pytest.raises(CheckpointError, match="source tokenizer with bos_id 4, as the config says, got 1"):
        load(tmp_path / "model")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "target_tokenizer.json"])
def test_files_of_other_programs_are_not_replaced(tmp_path, name):
    (tmp_path / name).write_text("the user's own")
    with pytest.raises(ValueError, match=f"{name} was not written by minisora"):
        save(tmp_path, make_model(), SOURCE)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "the user's own")]


def test_a_model_that_cannot_be_read_is_not_replaced(tmp_path):
    """It may be another program's, of a type that is not read here."""
    safetensors.numpy.save_file({"a": np.zeros(3, np.int8)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("the user's own")
    with pytest.raises(ValueError, match="not written by minisora"):
        save(tmp_path, make_model(), SOURCE)
    assert (tmp_path / "config.json").read_text() == "the user's own"


def test_own_layers_are_named_where_they_are_missing(tmp_path):
    config = make_model().config
    own = {"norm": LayerNorm, "attention": MultiHeadAttention}
    model = SoraModel(config, np.random.default_rng(3), layers=own)
    save(tmp_path / "model", model, SOURCE)
    with pytest.raises(CheckpointError, match=r"own attention and norm layers; give layers=\{\.\.\.\}"):
        load(tmp_path / "model")
    with pytest.raises(CheckpointError, match="own attention layer; give layers="):
        load(tmp_path / "model", layers={"norm": LayerNorm})
    back = load(tmp_path / "model", layers=own).model
    assert_same(model, back)
    assert back.replaced == ("attention", "norm")
    save(tmp_path / "standard", make_model(), SOURCE)
    assert load(tmp_path / "standard", layers=own).model.replaced == ("attention", "norm")  # the same arrays: it may


def rewrite(folder, change_tensors=None, change_description=None, model=None):
    """Save a model whose arrays or description have been changed."""
    files = model_files(model or make_model(), SOURCE)
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(files["model.safetensors"])
    tensors = dict(read_tensors(folder / "model.safetensors"))
    config, tokenizer = (json.loads(files[name]) for name in ("config.json", "tokenizer.json"))
    description = {"format": "minisora-model", "version": 1, "config": config, "tokenizer": tokenizer}
    for change, what in ((change_tensors, tensors), (change_description, description)):
        if change is not None:
            change(what)
    (folder / "model.safetensors").write_bytes(tensors_to_bytes(tensors, json.dumps(description)))


def change_first(function):
    def change(tensors):
        name = next(iter(tensors))
        tensors[name] = function(tensors[name])

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("encoder.embedded.embedding.table"), "has no encoder.embedded.embedding.table"),
        (lambda t: t.pop("decoder.stack.norm.gamma"), "has no decoder.stack.norm.gamma"),
        (lambda t: t.update(more=np.zeros(3, np.float32)), "has 'more', which its config does not imply"),
        (change_first(lambda a: a.T), "the shape .* where its config implies"),
        (change_first(lambda a: a.astype(np.float64)), "arrays of one type, it holds 2"),
        (change_first(lambda a: a * np.nan), "not finite"),
    ],
)
def test_other_arrays_than_the_config_implies(tmp_path, change, message):
    rewrite(tmp_path / "model", change_tensors=change)
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="other"), "does not understand"),
        (lambda d: d.update(version=2), "does not understand"),
        (lambda d: d.update(more=2), "does not understand"),
        (lambda d: d.update(layers="norm"), "does not understand"),
        (lambda d: d.update(layers=[3]), "does not understand"),
        (lambda d: d.update(layers=["colour"]), "does not understand"),
        (lambda d: d.update(layers=["norm", "norm"]), "does not understand"),
        (lambda d: d.update(layers=["norm"]), "own norm layer; give layers="),
        (lambda d: d.pop("config"), r"has no config\.json"),
        (lambda d: d["config"].update(d_model=-6), "does not describe a model"),
        (lambda d: d["config"].update(colour=3), "does not describe a model"),
        (lambda d: d["config"].update(d_model=1 << 20), "the shape .* where its config implies"),
        (lambda d: d["config"].update(num_encoder_layers=1 << 20), "fewer arrays than its config has layers"),
        (lambda d: d["config"].update(num_encoder_layers=2), "has no encoder.stack.layers.1.self_attention.w_q.weight"),
        (lambda d: d["config"].update(max_len=1 << 24, positions="learned"), "has no encoder.embedded.positions.table"),
        (lambda d: d["config"].update(num_heads=4), "does not describe a model"),
        (lambda d: d["tokenizer"]["tokens"].pop(), "expected a source tokenizer of"),
        (lambda d: d.update(tokenizer=[]), "does not describe a model"),
    ],
)
def test_other_descriptions(tmp_path, change, message):
    rewrite(tmp_path / "model", change_description=change)
    with pytest.raises(CheckpointError, match=message) as caught:
        load(tmp_path / "model")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "target_tokenizer.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'{"d_model": 3}', b"[" * 100_000])
def test_a_broken_copy_is_an_error(tmp_path, name, content):
    save(tmp_path, make_model(), SOURCE)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError):
        load(tmp_path)


def test_a_copy_that_disagrees_is_an_error(tmp_path):
    save(tmp_path, make_model(), SOURCE)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "dropout": 0.3}))
    with pytest.raises(CheckpointError, match="disagree"):
        load(tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 9, 100, -1])
def test_a_file_that_was_cut(tmp_path, keep):
    save(tmp_path, make_model(), SOURCE)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load(tmp_path)
