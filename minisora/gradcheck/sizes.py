"""The sizes of the built-in checks: primes, pairwise different, so that no swapped axis fits.

Only D cannot be a prime: it is H times d_k.
"""

import numpy as np

B, T, S = 5, 7, 11
H, D = 2, 6  # d_k = 3
D_FF = 13
V_SOURCE, V_TARGET = 29, 23


def padding(rng, batch, length):
    """Return a random mask (batch, length), True = may be attended: in each row something hidden and visible."""
    mask = rng.random((batch, length)) < 0.7
    mask[:, 0] = True
    mask[:, 1] = False
    return rng.permuted(mask, axis=1)


def suffix_padding(rng, batch, length):
    """Return a random mask (batch, length) of rows of unequal length, hidden behind it alone; the first is whole."""
    lengths = rng.integers(2, length, batch)
    lengths[0] = length
    return np.arange(length) < lengths[:, None]


def padded_ids(rng, vocab_size, batch, length, first=3):
    """Return ids (batch, length) of rows of unequal length, filled up with 0; some ids come twice in a row."""
    ids = rng.integers(first, vocab_size, (batch, length))
    ids[:, 1] = ids[:, 0]
    lengths = rng.integers(3, length + 1, batch)
    lengths[0] = length
    return np.where(np.arange(length) < lengths[:, None], ids, 0)
