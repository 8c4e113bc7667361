"""Tokenizers by the names of their models, and in folders of their own."""

import os

import pytest

from minisora import SoraModel, SoraTokenizer
from minisora.checkpoint import CheckpointError, load
from minisora.pretrained import bundled_folder


def test_the_tokenizers_of_a_model(tmp_path, small_model, source, target):
    small_model(target=target).save_pretrained(tmp_path / "model", source, target)
    for name in ("config.json", "tokenizer.json", "target_tokenizer.json"):
        (tmp_path / "model" / name).unlink()  # the header is enough
    assert SoraTokenizer.from_pretrained(tmp_path / "model") == source
    assert SoraTokenizer.from_pretrained(tmp_path / "model", target=True) == target
    tokenizer = SoraTokenizer.from_pretrained("sora/sora-base")
    assert tokenizer == SoraTokenizer.from_pretrained("sora/sora-base", target=True)
    assert tokenizer == SoraTokenizer.load(bundled_folder("sora/sora-base") / "tokenizer.json")


def test_no_array_is_read_for_a_tokenizer(tmp_path, small_model, source, monkeypatch):
    small_model().save_pretrained(tmp_path / "model", source)
    monkeypatch.setattr("minisora.tensor_file.TensorFile.chunks", None)
    assert SoraTokenizer.from_pretrained(tmp_path / "model") == source


def test_a_tokenizer_in_a_folder_of_its_own(tmp_path, source):
    source.save_pretrained(tmp_path / "new" / "folder")
    assert os.listdir(tmp_path / "new" / "folder") == ["tokenizer.json"]
    for target in (False, True):
        assert SoraTokenizer.from_pretrained(str(tmp_path / "new" / "folder"), target=target) == source
    source.save_pretrained(tmp_path / "new" / "folder")


def test_model_and_tokenizer_are_saved_in_either_order(tmp_path, small_model, source, same):
    source.save_pretrained(tmp_path)
    small_model().save_pretrained(tmp_path, source)
    source.save_pretrained(tmp_path)
    assert same(small_model(), SoraModel.from_pretrained(tmp_path))


def test_a_tokenizer_that_is_not_the_model_s_is_not_saved_beside_it(tmp_path, small_model, source, target):
    small_model().save_pretrained(tmp_path, source)
    with pytest.raises(ValueError, match=r"expected the tokenizer of the model in .*, got another one"):
        target.save_pretrained(tmp_path)
    assert load(tmp_path).source_tokenizer == source


def test_a_file_of_another_program_is_not_replaced(tmp_path, source):
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"}')
    with pytest.raises(ValueError, match=r"tokenizer\.json was not written by minisora"):
        source.save_pretrained(tmp_path)


@pytest.mark.parametrize(
    "text", ["{", "{}", "[]", '{"format": 1, "format": 1}', "null", '{"a": NaN}', "[" * 99999, "\ufeff{}"]
)
def test_a_file_that_is_no_tokenizer(tmp_path, text):
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is not ") as caught:
        SoraTokenizer.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_has_none(tmp_path):
    for name in (tmp_path, tmp_path / "nowhere", "sora/none", "a\0b", "x" * 5000):
        with pytest.raises(CheckpointError, match=r"expected a bundled model .* or a folder") as caught:
            SoraTokenizer.from_pretrained(name)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
