"""``minisora vectors``: trained, looked at and judged on the command line; and a model that begins with them."""

import json

import numpy as np
import pytest
from command_line import good, mistake, run

from minisora.checkpoint import load
from minisora.text.vector_file import read_vectors, write_vectors
from minisora.text.word_vectors import WordVectors

TINY = "--size 8 --window 2 --epochs 2 --min-count 1 --quiet".split()


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("The cat eats fish\nthe dog eats meat\n" * 20, encoding="utf-8")
    return path


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    numbers = [[3.0, 0], [2, 1], [0, 1]]
    write_vectors(path, WordVectors(["cat", "dog", "meat"], np.array(numbers, np.float32)))
    return path


def test_help():
    text = good("vectors", "--help")
    assert all(name in text for name in ("train", "nearest", "evaluate"))
    for name in ("train", "nearest", "evaluate"):
        assert "Usage" in good("vectors", name, "--help")


@pytest.mark.parametrize("model", ["skip-gram", "cbow", "glove"])
def test_train_prints_and_writes_the_same_every_time(text, tmp_path, model):
    first = good("vectors", "train", text, "--out", tmp_path / "a", "--model", model, *TINY)
    assert first == f"7 words with 8 numbers each in {tmp_path / 'a'}\n"
    good("vectors", "train", text, "--out", tmp_path / "b", "--model", model, *TINY)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    good("vectors", "train", text, "--out", tmp_path / "b", "--model", model, "--seed", 1, *TINY)
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_train_with_other_losses_formats_and_case(text, tmp_path):
    arguments = "vectors", "train", text, text, "--out", tmp_path / "v", *TINY
    found = json.loads(good(*arguments, "--loss", "softmax", "--lower", "--format", "binary", "--json"))
    assert found == {
        "words": 6, "size": 8, "model": "skip-gram", "loss": "softmax", "format": "binary", "file": str(tmp_path / "v"),
    }  # fmt: skip
    assert "The" not in read_vectors(tmp_path / "v", "binary")
    found = json.loads(good(*arguments, "--model", "glove", "--loss", "softmax", "--json"))
    assert (found["model"], found["loss"]) == ("glove", "softmax")


def test_a_progress_bar_goes_to_standard_error(text, tmp_path):
    result = run("vectors", "train", text, "--out", tmp_path / "v", *TINY[:-1])
    assert "100%" in result.stderr and "%" not in result.stdout


def test_training_mistakes(text, tmp_path):
    out = "--out", tmp_path / "v"
    assert "nowhere" in mistake("vectors", "train", tmp_path / "nowhere", *out)
    assert "--negatives does not belong to the model glove" in mistake(
        "vectors", "train", text, *out, "--model", "glove", "--negatives", 3
    )
    assert "loss to be one of least-squares, softmax, got 'negative-sampling'" in mistake(
        "vectors", "train", text, *out, "--model", "glove", "--loss", "negative-sampling"
    )
    assert "expected size to be an integer >= 1, got 0" in mistake("vectors", "train", text, *out, "--size", 0)
    assert "at least two words that occur 90 times" in mistake("vectors", "train", text, *out, "--min-count", 90)
    assert "existing folder" in mistake("vectors", "train", text, "--out", tmp_path / "no" / "v")
    assert not (tmp_path / "v").exists()


def test_nearest(vectors):
    assert good("vectors", "nearest", vectors, "cat", "meat", "--count", 1) == "cat: dog 0.894\nmeat: dog 0.447\n"
    found = json.loads(good("vectors", "nearest", vectors, "cat", "--json"))
    assert [near["word"] for near in found["cat"]] == ["dog", "meat"]
    assert "got 'bird'" in mistake("vectors", "nearest", vectors, "bird")


def test_evaluate(vectors, tmp_path):
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("cat dog 9\ncat meat 1\ndog\tmeat\t3\ncat bird 5\n", encoding="utf-8")
    assert good("vectors", "evaluate", vectors, pairs) == "pairs.txt: Spearman 1.0000 over 3 of 4 pairs\n"
    found = json.loads(good("vectors", "evaluate", vectors, pairs, "--json"))
    assert found == {"pairs.txt": {"spearman": 1.0, "covered": 3, "pairs": 4}}
    other = tmp_path / "other" / "pairs.txt"
    other.parent.mkdir()
    other.write_text("cat dog 1\ncat meat 9\n", encoding="utf-8")
    assert good("vectors", "evaluate", vectors, pairs, other).splitlines() == [
        f"{pairs}: Spearman 1.0000 over 3 of 4 pairs",
        f"{other}: Spearman -1.0000 over 2 of 2 pairs",
    ]
    pairs.write_text("cat dog\n", encoding="utf-8")
    assert "pairs.txt:1: two words and a number" in mistake("vectors", "evaluate", vectors, pairs)


MODEL = "--d-model 2 --num-heads 1 --d-ff 4 --num-encoder-layers 1 --num-decoder-layers 1 --max-len 32".split()
BRIEF = "--tokenizer whitespace --steps 3 --eval-every 0 --warmup-steps 0 --quiet".split()


@pytest.fixture
def trained(tmp_path, vectors):
    """A function that trains on three words, one of them without a vector, and returns the model's table."""
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("cat bird\tmeat\nmeat cat\tbird\n", encoding="utf-8")

    def train(folder, *options, model=MODEL):
        result = run("train", "--data", pairs, "--out", tmp_path / folder, *model, *BRIEF, *options)
        assert result.exit_code == 0, result.output
        return load(tmp_path / folder).model.encoder.embedded.embedding.table.data, result

    return train


def test_a_model_begins_with_vectors(trained, vectors, tmp_path):
    """Tokens 5 bird, 6 cat, 7 meat. cat (3, 0) and meat (0, 1): mean square 10 / 4, brought to 1 / 2."""
    frozen, result = trained("frozen", "--embedding", vectors, "--freeze-embedding")
    assert "embedding: 2 tokens begin with their vector, 1 have none: random\n" in result.stderr
    np.testing.assert_allclose(frozen[[6, 7]], np.array([[3, 0], [0, 1]]) / 5**0.5, rtol=1e-6)
    free, _ = trained("free", "--embedding", vectors)
    assert 0 < np.abs(free - frozen)[[5, 6, 7]].max() < 0.1
    random, _ = trained("random", "--learning-rate", 1e-9)
    np.testing.assert_allclose(random[:6], frozen[:6], atol=1e-6)


def test_a_frozen_training_goes_on(trained, vectors, tmp_path):
    first, _ = trained("frozen", "--embedding", vectors, "--freeze-embedding", "--stop-after", 2)
    rest = "train", "--data", tmp_path / "pairs.tsv", "--out", tmp_path / "frozen", "--resume", "--quiet"
    assert "cannot be used" in mistake(*rest)
    good(*rest, "--freeze-embedding")
    np.testing.assert_array_equal(load(tmp_path / "frozen").model.encoder.embedded.embedding.table.data, first)
    assert "--embedding belongs to a new model" in mistake(*rest, "--embedding", vectors)


def test_embedding_mistakes(trained, vectors, tmp_path):
    trained("there")
    data = "train", "--data", tmp_path / "pairs.tsv", "--out", tmp_path / "m", *BRIEF
    assert "--freeze-embedding expects --embedding" in mistake(*data, *MODEL, "--freeze-embedding")
    wide = ["--d-model", "4", *MODEL[2:]]
    assert "with d_model = 4 numbers are expected, got 2" in mistake(*data, *wide, "--embedding", vectors)
    for word, numbers, message in (
        ("x", [1.0, 2.0], "at least one of the model's tokens"),
        ("cat", [0.0, 0.0], "zero"),
    ):
        write_vectors(tmp_path / "v", WordVectors([word], np.array([numbers], np.float32)))
        assert message in mistake(*data, *MODEL, "--embedding", tmp_path / "v")
