"""Frequent words tell little about their neighbours: most of their occurrences are left out."""

import numpy as np


def keep_probabilities(counts, threshold=1e-3):
    """Return with which probability an occurrence of each word stays, 1 - P of eq. (5) [1]_: min(1, sqrt(t / f)).

    Parameters
    ----------
    counts : array (V,)
        Occurrences of each word; f is their share of all.
    threshold : float
        t; 0 keeps everything. The program word2vec.c uses (1 + sqrt(f / t)) t / f, which keeps somewhat more.

    References
    ----------
    .. [1] Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality", 2013.
    """
    if not threshold:
        return np.ones(len(counts))
    return np.minimum(1, np.sqrt(threshold * counts.sum() / counts))
