"""Word vectors against people: how alike they find the words of a pair, as in WordSim-353 or SimLex-999."""

from pathlib import Path
from typing import NamedTuple

import numpy as np


class WordPairs(NamedTuple):
    """Pairs of words and how alike people find them."""

    pairs: tuple  # (P,) of (str, str)
    scores: np.ndarray  # (P,) float64


class Agreement(NamedTuple):
    """How well vectors agree with a file of pairs."""

    spearman: float  # over the covered pairs; NaN where it is not defined
    covered: int  # pairs of which both words have a vector
    pairs: int


def read_word_pairs(path):
    """Read lines ``word word score``, separated by white space; lines that begin with # and empty ones do not count."""
    pairs, scores = [], []
    for number, line in enumerate(_lines(path), 1):
        fields = line.split()
        if not fields or line.startswith("#"):
            continue
        if len(fields) != 3 or not _is_number(fields[2]):
            raise ValueError(f"{path}:{number}: two words and a number are expected, got {line[:60]!r}")
        pairs.append((fields[0], fields[1]))
        scores.append(float(fields[2]))
    if not pairs:
        raise ValueError(f"{path}: lines of two words and a number are expected, got none")
    return WordPairs(tuple(pairs), np.array(scores))


def _lines(path):
    try:
        return Path(path).read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: text is expected in UTF-8, byte {error.start} is not") from None


def _is_number(text):
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def covered_cosines(vectors, pairs):
    """The cosines and the people's scores of the pairs of which both words have a vector, each (covered,).

    A word that is not there as it is written is looked for in lower case.
    """
    found = []
    for (a, b), score in zip(pairs.pairs, pairs.scores):
        a, b = (word if word in vectors else word.lower() for word in (a, b))
        if a in vectors and b in vectors:
            found.append((vectors.similarity(a, b), score))
    return np.array(found, np.float64).reshape(-1, 2).T


def evaluate(vectors, pairs):
    """Return the `Agreement` of `WordVectors` with `WordPairs`: Spearman's correlation over the covered pairs."""
    cosines, scores = covered_cosines(vectors, pairs)
    return Agreement(spearman(cosines, scores), len(scores), len(pairs.pairs))


def spearman(x, y):
    """Spearman's rank correlation of x and y (n,), that of their ranks; NaN where one of them is constant."""
    x, y = (ranks(values) - (len(values) + 1) / 2 for values in (x, y))  # ranks have that mean, ties or none
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else float("nan")


def ranks(x):
    """Ranks of x (n,), from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)  # the rank of the last one of each value
    return (last - (counts - 1) / 2)[inverse]
