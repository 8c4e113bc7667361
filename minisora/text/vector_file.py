"""Files of word vectors: the text formats of word2vec and of GloVe, and the binary one of word2vec.

text    ``word number number …``, a word a line, separated by single spaces; word2vec's has a first line ``V D``, that
        of GloVe has none
binary  the line ``V D``, then for each word: its UTF-8 bytes, a space, D float32 in little-endian order, and a line
        end, which some programs leave out

A text file may begin with a byte order mark, as some editors write it. Numbers are written with as few digits as give
back the same float32. A word that holds white space has no place in a file.
"""

import io
from pathlib import Path

import numpy as np

from minisora.files import replace_file
from minisora.text.word_vectors import WordVectors

MARK = "\ufeff"
FORMATS = ("word2vec", "glove", "binary")


def write_vectors(path, vectors, form="word2vec"):
    """Write `WordVectors` to a file, at once: a reader finds the old content or the new."""
    check_form(form)
    for word in vectors.words:
        if word.split() != [word]:
            raise ValueError(f"a word without white space is expected in a file of vectors, got {word!r}")
    with np.errstate(over="ignore"):
        numbers = vectors.vectors.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError("numbers of the size of float32 are expected in a file of vectors, got larger ones")
    size, width = numbers.shape
    head = b"" if form == "glove" else f"{size} {width}\n".encode()
    if form == "glove" and vectors.words and vectors.words[0].startswith(MARK):
        head = MARK.encode()  # the reader takes one away
    if form == "binary":
        rows = [word.encode() + b" " + row.astype("<f4").tobytes() + b"\n" for word, row in zip(vectors.words, numbers)]
    else:
        rows = [f"{word} {' '.join(row.astype(str))}\n".encode() for word, row in zip(vectors.words, numbers)]
    replace_file(path, head + b"".join(rows))


def read_vectors(path, form=None):
    """Read `WordVectors` from a file; without a form, one of the text formats, told apart by the first line.

    Raises
    ------
    ValueError
        For whatever is not in the format; the message names the line, or the word in a binary file.
    """
    if form is not None:
        check_form(form)
    data = Path(path).read_bytes()
    return _read_binary(path, data) if form == "binary" else _read_text(path, data, form)


def check_form(form):
    """Raise ValueError unless form names a format."""
    if form not in FORMATS:
        raise ValueError(f"a format of word vectors is expected, one of {', '.join(FORMATS)}, got {form!r}")


def _read_text(path, data, form):
    try:
        lines = data.decode("utf-8").removeprefix(MARK).split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: text is expected in UTF-8, byte {error.start} is not") from None
    if lines[-1] == "":
        lines.pop()
    head = _head(lines[0]) if lines and form != "glove" else None
    if head is None and form == "word2vec":
        raise ValueError(f"{path}:1: the number of words and of numbers is expected, got {''.join(lines[:1])[:60]!r}")
    first = 1 if head is None else 2
    rows = lines[first - 1 :]
    width = head[1] if head else len(rows[0].rstrip(" \r").split(" ")) - 1 if rows else 0
    if not rows or width < 1 or (head and head[0] != len(rows)):
        expected = f"{head[0]} lines of a word and {width} numbers" if head else "lines of a word and numbers"
        raise ValueError(f"{path}: {expected} are expected, got {len(rows)} lines")
    if len(rows) * width * 2 > len(data):  # before memory is asked for
        raise ValueError(f"{path}: {len(rows)} words with {width} numbers are expected, got {len(data)} bytes")
    vectors, words = np.empty((len(rows), width), np.float32), {}
    for i, row in enumerate(rows):
        word, *fields = row.rstrip(" \r").split(" ")  # word2vec.c ends its lines with a space
        numbers = _floats(fields)
        if not word or numbers is None or len(numbers) != width:
            raise ValueError(f"{path}:{first + i}: a word and {width} finite numbers are expected, got {row[:60]!r}")
        _add(words, word, f"{path}:{first + i}")
        vectors[i] = numbers
    return WordVectors(words, vectors)


def _head(line):
    """(V, D) of a first line, or None."""
    fields = line.split()
    if len(fields) == 2 and all(field.isascii() and field.isdigit() for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def _floats(fields):
    """The fields as float32, or None where one of them is no finite number of that size."""
    try:
        with np.errstate(over="ignore"):
            numbers = np.array(fields, np.float64).astype(np.float32)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _add(words, word, where):
    if word in words:
        raise ValueError(f"{where}: each word is expected once, got {word!r} a second time")
    words[word] = None


def _read_binary(path, data):
    file = io.BytesIO(data)
    head = _head(file.readline(100).decode("latin-1"))
    if head is None or min(head) < 1:
        raise ValueError(f"{path}: the number of words and of numbers is expected in the first line, got none")
    size, width = head
    if size * (4 * width + 2) > len(data):  # before memory is asked for
        raise ValueError(f"{path}: {size} words with {width} numbers are expected, got a file of {len(data)} bytes")
    vectors, words, at = np.empty((size, width), np.float32), {}, file.tell()
    for i in range(size):
        end = data.find(b" ", at)
        part = data[end + 1 : end + 1 + 4 * width] if end >= 0 else b""
        if len(part) < 4 * width or not np.isfinite(numbers := np.frombuffer(part, "<f4")).all():
            raise ValueError(f"{path}: word {i + 1} is expected with {width} finite numbers, got something else")
        _add(words, _word(path, i, data[at:end].lstrip(b"\n")), f"{path}: word {i + 1}")
        vectors[i] = numbers
        at = end + 1 + 4 * width
    if data[at:].strip(b"\n"):
        raise ValueError(f"{path}: an end is expected after {size} words, got {len(data) - at} bytes more")
    return WordVectors(words, vectors)


def _word(path, i, data):
    try:
        word = data.decode("utf-8")
    except UnicodeDecodeError:
        word = ""
    if word.split() != [word]:
        raise ValueError(f"{path}: word {i + 1} is expected in UTF-8 without white space, got {data[:40]!r}")
    return word
