"""Dropout's randomness, and sampling's: a key instead of a generator, so that a mask can be computed again, not kept.

The mask is a pure function of (seed, child, index). Any backend, in any order, on any number of threads, gets the same
one: the backward pass recomputes what the forward pass dropped, and no cache holds a mask.
"""

from dataclasses import dataclass
from hashlib import blake2b
from operator import index

import numpy as np

from minisora.kernels.array_module import array_module

_U64 = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / golden ratio, odd: the increment of SplitMix64
_ODD = 0x9E3779B1  # 2**32 / golden ratio, the nearest prime: spreads neighbouring elements over all 32 bits
_BLOCK = 1 << 16  # values hashed at a time, so that the passes stay in the second-level cache


@dataclass(frozen=True, slots=True)
class DropoutKey:
    """An immutable name for one stream of dropout masks, or of the numbers that sampling draws by.

    Parameters
    ----------
    seed : int
        Any integer of 64 bits; the same seed gives the same masks on every machine and backend.
    path : int
        Which descendant of the seed this is; `child` computes it.
    """

    seed: int
    path: int = 0

    def __post_init__(self):
        object.__setattr__(self, "seed", index(self.seed))  # a NumPy integer would overflow in the hash

    def child(self, name):
        """Return the key of one use, named by a string or an integer; different names give unrelated masks."""
        label = f"str:{name}" if isinstance(name, str) else f"int:{index(name)}"
        digest = blake2b(label.encode(), digest_size=8).digest()
        return DropoutKey(self.seed, mix64(self.path ^ int.from_bytes(digest, "little")))


def child(key, name):
    """Return ``key.child(name)``, and None (no dropout) for None."""
    return None if key is None else key.child(name)


def mix64(z):
    """Return the SplitMix64 hash of a 64-bit integer [1]_.

    References
    ----------
    .. [1] Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 16 with the
       constants of Stafford's variant 13.
    """
    z = (z + _GOLDEN) & _U64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _U64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _U64
    return z ^ (z >> 31)


def row_hashes(key, start, stop, xp):
    """Return the hash of rows ``start .. stop - 1`` as uint32: the low half of SplitMix64 started from the key."""
    return _splitmix64(key, start, stop, xp).astype(np.uint32)


def _splitmix64(key, start, stop, xp):
    """The values ``start .. stop - 1`` of SplitMix64 started from the key, as uint64."""
    z = np.uint64(_base(key)) + xp.arange(start + 1, stop + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniforms(key, count):
    """Return the numbers (count,) in [0, 1) that a key stands for, in float64: multiples of 2**-52, from SplitMix64.

    With 52 bits, u * x is below x for every positive x, whatever the rounding.
    """
    return (_splitmix64(key, 0, count, np) >> np.uint64(12)).astype(np.float64) * 2.0**-52


def mix32(x, scratch):
    """Hash an array of uint32 in place, with ``scratch`` of the same shape ("lowbias32", C. Wellons 2018)."""
    xp = array_module(x)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        xp.right_shift(x, np.uint32(shift), out=scratch)
        xp.bitwise_xor(x, scratch, out=x)
        xp.multiply(x, np.uint32(factor), out=x)
    xp.right_shift(x, np.uint32(16), out=scratch)
    return xp.bitwise_xor(x, scratch, out=x)


def check_dropout_probability(p):
    """Raise ValueError unless 0 <= p < 1."""
    if not 0 <= p < 1:
        raise ValueError(f"a dropout probability must be at least 0 and below 1, got {p!r}")


def dropout_scalars(dropout):
    """Return what compiled code takes of a dropout (p, key) or None: base, threshold and factor, see `keep_mask`."""
    if dropout is None:
        return 0, 0, 1.0
    p, key = dropout
    check_dropout_probability(p)
    return _base(key), int(p * 2**32), 1 / (1 - p)


def _base(key):
    """Where a key's rows start, see `row_hashes`."""
    return mix64((key.seed & _U64) ^ mix64(key.path))


def keep_mask(p, key, shape, xp):
    """Return the boolean array (True = kept) of dropout with probability p under a key.

    Parameters
    ----------
    p : float
        Probability of being dropped, in [0, 1).
    key : DropoutKey
    shape : tuple of int
        Of the values; a row is everything but the last axis, flattened in C order.
    xp : module
        The library (numpy or cupy) that the result shall belong to.

    Notes
    -----
    Element s of row r is kept when ``mix32(row_hash(r) ^ (s * odd)) >= floor(p * 2**32)``. Survivors are to be scaled
    by 1 / (1 - p).
    """
    check_dropout_probability(p)
    *outer, width = shape
    rows = int(np.prod(outer, dtype=np.int64))
    columns = xp.arange(width, dtype=np.uint32) * np.uint32(_ODD)
    threshold = np.uint32(int(p * 2**32))
    kept = xp.empty((rows, width), bool)
    step = max(1, _BLOCK // max(1, width)) if xp is np else max(1, rows)  # a GPU wants few large launches
    scratch = xp.empty((step, width), np.uint32)
    for start in range(0, rows, step):
        stop = min(rows, start + step)
        block = row_hashes(key, start, stop, xp)[:, None] ^ columns
        xp.greater_equal(mix32(block, scratch[: stop - start]), threshold, out=kept[start:stop])
    return kept.reshape(shape)
