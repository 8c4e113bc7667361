"""Checks of the word vectors' formulas: word2vec with either loss, GloVe in either form."""

from functools import partial

import numpy as np

from minisora.gradcheck.probe import FunctionPair, Probe
from minisora.gradcheck.registry import register
from minisora.gradcheck.sizes import D_FF, V_TARGET, B, D, S, T
from minisora.text import glove, word2vec


@register(
    "Word2Vec",
    {
        "skip-gram-softmax": {"inputs": 1, "loss": "softmax"},
        "skip-gram-negative-sampling": {"inputs": 1, "loss": "negative-sampling"},
        "cbow-softmax": {"inputs": T, "loss": "softmax"},
        "cbow-negative-sampling": {"inputs": T, "loss": "negative-sampling"},
    },
)
def word_to_vec(rng, *, inputs, loss):
    """Fewer words than places, so that words repeat, as input, as target and as noise; some places are empty."""
    v, u = (rng.normal(0, 0.7, (S, D)) for _ in range(2))
    words = rng.integers(0, S, (D_FF, inputs))
    words[:, 1:][rng.random((D_FF, inputs - 1)) < 0.4] = -1
    targets = rng.integers(0, S, (D_FF, B + 1))
    targets[:, 1:][rng.random((D_FF, B)) < 0.2] = -1
    words, targets = words[:, 0] if inputs == 1 else words, targets[:, 0] if loss == "softmax" else targets
    pair = FunctionPair(partial(word2vec.word2vec_forward, loss=loss), word2vec.word2vec_backward)
    return Probe(pair, {"v": v, "u": u, "inputs": words, "targets": targets})


@register("GloVe", {"least-squares": {}})
def least_squares(rng):
    """Counts on both sides of x_max, where the weight has its corner; cells repeat a row or a column."""
    w, c = (rng.normal(0, 0.7, (S, D)) for _ in range(2))
    b, d = (rng.normal(0, 0.7, S) for _ in range(2))
    rows, columns = rng.integers(0, S, (2, V_TARGET))
    masks = {"counts": rng.uniform(0.1, 20, V_TARGET), "x_max": 7.0, "alpha": 0.75}
    inputs = {"w": w, "c": c, "b": b, "d": d, "rows": rows, "columns": columns}
    pair = FunctionPair(glove.least_squares_forward, glove.least_squares_backward)
    return Probe(pair, inputs, masks=masks)


@register("GloVe", {"softmax": {}})
def cross_entropy(rng):
    """A row comes twice, and some counts are zero."""
    a, b = (rng.normal(0, 0.7, (S, D)) for _ in range(2))
    rows = rng.integers(0, S, T)
    rows[1] = rows[0]
    counts = rng.uniform(0, 3, (T, S)) * (rng.random((T, S)) < 0.7)
    pair = FunctionPair(glove.cross_entropy_forward, glove.cross_entropy_backward)
    return Probe(pair, {"a": a, "b": b, "rows": rows}, masks={"counts": np.array(counts)})
