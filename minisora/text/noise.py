"""The words that negative sampling draws, and how to draw one in the same time however many there are."""

import numpy as np

POWER = 0.75


def noise_distribution(counts, power=POWER):
    """Return with which probability each word is drawn as noise: U(w)^(3/4) / Z (Mikolov et al. 2013b, section 2.2)."""
    weights = counts.astype(np.float64) ** power
    return weights / weights.sum()


def alias_table(probabilities):
    """Return thresholds (V,) uint64 and aliases (V,) int32 for drawing by two random numbers [1]_.

    Draw a column j, each alike, and 32 random bits: below ``thresholds[j]`` the result is j, else ``aliases[j]``.

    References
    ----------
    .. [1] Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution", 1991.
    """
    share = (probabilities * len(probabilities)).tolist()  # 1 is a full column
    aliases = list(range(len(share)))
    small, large = [i for i, s in enumerate(share) if s < 1], [i for i, s in enumerate(share) if s >= 1]
    while small and large:
        i, j = small.pop(), large[-1]
        aliases[i] = j  # what column i lacks, j fills
        share[j] -= 1 - share[i]
        if share[j] < 1:
            small.append(large.pop())
    for i in small + large:  # full, but for rounding
        share[i] = 1.0
    return (np.array(share) * 2**32).astype(np.uint64), np.array(aliases, np.int32)
