"""Word vectors into files and back, and every file that is none."""

import numpy as np
import pytest

from minisora.text.vector_file import FORMATS, read_vectors, write_vectors
from minisora.text.word_vectors import WordVectors


def same(a, b):
    assert a.words == b.words and a.vectors.dtype == b.vectors.dtype == np.float32
    np.testing.assert_array_equal(a.vectors, b.vectors)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("width", [1, 7])
def test_there_and_back(tmp_path, form, width):
    """Bit for bit, for numbers of every size; for words that look like a number or begin with #."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(6, width)) * 10.0 ** rng.integers(-44, 38, (6, width))
    vectors = WordVectors(["Käse", "天气", "3", "#", "-1.5e3", "</s>"], numbers.astype(np.float32))
    write_vectors(tmp_path / "v", vectors, form)
    same(read_vectors(tmp_path / "v", form), vectors)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_mark_in_a_word_stays(tmp_path, form):
    vectors = WordVectors(["\ufeffx", "x"], np.array([[1.0], [2.0]], np.float32))
    write_vectors(tmp_path / "v", vectors, form)
    same(read_vectors(tmp_path / "v", form), vectors)


def test_text_formats_are_told_apart(tmp_path):
    vectors = WordVectors(["x", "y"], np.array([[1.5, -2], [3, 0.1]], np.float32))
    write_vectors(tmp_path / "w", vectors)
    write_vectors(tmp_path / "g", vectors, "glove")
    assert (tmp_path / "w").read_text() == "2 2\nx 1.5 -2.0\ny 3.0 0.1\n"
    assert (tmp_path / "g").read_text() == "x 1.5 -2.0\ny 3.0 0.1\n"
    for name in "wg":
        same(read_vectors(tmp_path / name), vectors)


def test_what_other_programs_write(tmp_path):
    """A space at the end of a line (word2vec.c), no line end after a word's numbers or at the end, a mark, CR LF."""
    (tmp_path / "t").write_bytes(b"1 2\nx 1 2 \n")
    assert read_vectors(tmp_path / "t")["x"].tolist() == [1, 2]
    (tmp_path / "t").write_bytes(b"x 1 2\r\ny 3 4")
    assert read_vectors(tmp_path / "t")["y"].tolist() == [3, 4]
    for content in ("1 2\r\nx 1 2 \r\n", "x 1 2 \r\n"):
        (tmp_path / "t").write_text(f"\ufeff{content}", encoding="utf-8", newline="")
        assert read_vectors(tmp_path / "t")["x"].tolist() == [1, 2]
    (tmp_path / "b").write_bytes(b"2 1\nx " + np.float32(1).tobytes() + b"y " + np.float32(2).tobytes())
    assert read_vectors(tmp_path / "b", "binary")["y"] == [2]


def test_gensim_reads_and_writes_the_same(tmp_path):
    models = pytest.importorskip("gensim.models")
    vectors = WordVectors(["x", "天", "z"], np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32))
    for form in ("word2vec", "binary"):
        write_vectors(tmp_path / form, vectors, form)
        theirs = models.KeyedVectors.load_word2vec_format(str(tmp_path / form), binary=form == "binary")
        np.testing.assert_array_equal(theirs.vectors, vectors.vectors)
        theirs.save_word2vec_format(str(tmp_path / "back"), binary=form == "binary")
        same(read_vectors(tmp_path / "back", form), vectors)


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "lines of a word and numbers are expected, got 0 lines"),
        ("3 2\nx 1 2\ny 3 4\n", "3 lines of a word and 2 numbers are expected, got 2 lines"),
        ("1 99999999999\nx 1 2\n", "1 words with 99999999999 numbers are expected, got 20 bytes"),
        ("1 2\nx 1 2\ny 3 4\n", "1 lines of a word and 2 numbers are expected, got 2 lines"),
        ("2 2\nx 1 2\ny 3\n", ":3: a word and 2 finite numbers are expected, got 'y 3'"),
        ("x 1 2\ny 3 4 5\n", ":2: a word and 2 finite numbers are expected, got 'y 3 4 5'"),
        ("x 1 2\n\ny 3 4\n", ":2: a word and 2 finite numbers are expected, got ''"),
        ("x 1 2\ny  3 4\n", ":2: a word and 2"),
        ("x 1 2\n 3 4\n", ":2: a word and 2"),
        ("x 1 2\ny 3 nan\n", ":2: a word and 2"),
        ("x 1 2\ny 3 1e39\n", ":2: a word and 2"),
        ("x 1 2\ny 3 four\n", ":2: a word and 2"),
        ("x 1 2\nx 3 4\n", ":2: each word is expected once, got 'x' a second time"),
        ("word\n", "lines of a word and numbers are expected"),
        ("1 0\nx\n", "0 numbers are expected"),
    ],
)
def test_malformed_text(tmp_path, content, message):
    path = tmp_path / "v.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        read_vectors(path)
    assert message in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_format_that_was_asked_for(tmp_path):
    (tmp_path / "v").write_bytes(b"x 1 2\n")
    with pytest.raises(ValueError, match="v:1: the number of words and of numbers is expected, got 'x 1 2'"):
        read_vectors(tmp_path / "v", "word2vec")
    with pytest.raises(ValueError, match="one of word2vec, glove, binary, got 'npy'"):
        read_vectors(tmp_path / "v", "npy")
    (tmp_path / "v").write_bytes(b"x \xff\n")
    with pytest.raises(ValueError, match="UTF-8, byte 2"):
        read_vectors(tmp_path / "v")


ONE = np.float32(1).tobytes()


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "the number of words and of numbers is expected in the first line"),
        (b"x y\n", "the number of words and of numbers is expected in the first line"),
        (b"0 1\n", "the number of words and of numbers is expected in the first line"),
        (b"99999999 300\nx " + ONE, "got a file of"),
        (b"2 1\nx " + ONE + b"\ny_____" + ONE, "word 2 is expected with 1 finite numbers"),
        (b"2 1\nx " + ONE + b"\ny " + ONE[:3], "word 2 is expected with 1 finite numbers"),
        (b"1 1\nx " + np.float32(np.inf).tobytes(), "word 1 is expected with 1 finite numbers"),
        (b"2 1\nx " + ONE + b"\nx " + ONE, "word 2: each word is expected once"),
        (b"1 1\n\xff " + ONE, "word 1 is expected in UTF-8"),
        (b"1 1\n " + ONE, "word 1 is expected in UTF-8"),
        (b"1 1\nx " + ONE + b"\ny " + ONE, "an end is expected after 1 words, got 7 bytes more"),
    ],
)
def test_malformed_binary(tmp_path, content, message):
    path = tmp_path / "v.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_vectors(path, "binary")
    assert message in str(caught.value) and str(path) in str(caught.value)


def test_a_word_with_white_space_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="a word without white space is expected in a file of vectors, got 'New York'"):
        write_vectors(tmp_path / "v", WordVectors(["New York"], [[1.0]]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
def test_what_could_not_be_read_again_is_not_written(tmp_path, form):
    with pytest.raises(ValueError, match="of the size of float32 are expected in a file of vectors, got larger ones"):
        write_vectors(tmp_path / "v", WordVectors(["x"], [[1e39]]), form)
    assert list(tmp_path.iterdir()) == []
