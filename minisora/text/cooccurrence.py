"""How often words stand near each other: the table X that GloVe is fitted to."""

from typing import NamedTuple

import numpy as np

_WORDS = 1 << 19  # counted at a time


class Cooccurrences(NamedTuple):
    """The cells of X (V, V) that are not zero, by rows and in a row by columns."""

    rows: np.ndarray  # (N,) int32
    columns: np.ndarray  # (N,) int32
    counts: np.ndarray  # (N,) float64


def count_cooccurrences(text, size, window=10):
    """X_ij = the sum of 1 / distance over all places where j stands at most ``window`` words from i, on either side.

    Parameters
    ----------
    text : EncodedText
        A window does not go beyond its sentence.
    size : int
        V.

    References
    ----------
    Pennington, Socher, Manning, "GloVe: Global Vectors for Word Representation", 2014, section 4.2.
    """
    lengths = np.diff(text.starts)
    ids, sentence = text.ids.astype(np.int64), np.repeat(np.arange(len(lengths)), lengths)
    window = min(window, int(lengths.max(initial=1)) - 1)  # further away there is nothing
    keys, counts = np.empty(0, np.int64), np.empty(0)  # of unordered pairs, lower id * V + higher id
    for begin in range(0, len(ids), _WORDS):
        found, weights = [keys], [counts]
        for distance in range(1, window + 1):
            left = np.arange(begin, min(begin + _WORDS, len(ids) - distance))
            left = left[sentence[left] == sentence[left + distance]]
            i, j = ids[left], ids[left + distance]
            found.append(np.minimum(i, j) * size + np.maximum(i, j))
            weights.append(np.full(len(left), 1 / distance))
        keys, inverse = np.unique(np.concatenate(found), return_inverse=True)
        counts = np.bincount(inverse, np.concatenate(weights), len(keys))
    return _both_ways(keys // size, keys % size, counts)


def _both_ways(low, high, counts):
    """The table of ordered pairs: each of two words is the other's neighbour, and a word with itself counts twice."""
    same = low == high
    rows, columns = np.concatenate([low, high[~same]]), np.concatenate([high, low[~same]])
    counts = np.concatenate([np.where(same, 2 * counts, counts), counts[~same]])
    order = np.lexsort((columns, rows))
    return Cooccurrences(rows[order].astype(np.int32), columns[order].astype(np.int32), counts[order])
