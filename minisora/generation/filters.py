"""Which tokens may be drawn: the most probable ones, by number (top-k) or by what they add up to (top-p).

Each function maps logits (B, V) to logits in which every other token has -inf. Of equally probable tokens the first
count as the more probable, so that top-k with k = 1 is greedy decoding, and a set is no larger than it must be.

References
----------
Fan, Lewis, Dauphin, "Hierarchical Neural Story Generation", 2018, section 5.1, for top-k.
Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020, eq. (2) and (3), for top-p.
"""

from minisora.kernels import array_module


def top_k(logits, k):
    """Keep the k most probable tokens of each row."""
    return keep_largest(logits, falling(logits), min(k, logits.shape[-1]))


def top_p(logits, p):
    """Keep the nucleus of each row: the fewest tokens, most probable first, whose probabilities reach p."""
    ranked = falling(logits)
    return keep_largest(logits, ranked, nucleus_size(ranked, p)[:, None])


def nucleus_size(ranked, p):
    """Return how many of the falling logits (B, V) it takes until their probabilities reach p, (B,)."""
    reached = array_module(ranked).exp(ranked - ranked[:, :1]).cumsum(axis=-1)
    before = (reached < p * reached[:, -1:])[:, :-1]  # what is still needed after each token but the last
    return 1 + before.sum(axis=-1)


def falling(logits):
    """Return the logits of each row, the largest first."""
    return array_module(logits).sort(logits, axis=-1)[:, ::-1]


def keep_largest(logits, ranked, count):
    """Set to -inf what is not among the ``count`` largest, a number or (B, 1); of equal ones the first are kept."""
    xp = array_module(logits)
    rows = xp.arange(len(logits))[:, None]
    least = ranked[rows, count - 1]  # (B, 1), the last that is kept
    above, ties = logits > least, logits == least
    room = count - above.sum(axis=-1, keepdims=True)
    kept = above | (ties & (ties.cumsum(axis=-1) <= room))
    return xp.where(kept, logits, logits.dtype.type(-xp.inf))
