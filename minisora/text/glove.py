"""GloVe: word vectors from the table X of how often words stand near each other, forward and backward.

Two models go by this name here, and they are not the same.

*Weighted least squares* is GloVe as its authors define it [1]_, eq. (8): w_i . w~_j + b_i + b~_j is to be log X_ij, for
the cells that are not zero, and the weight f(X_ij), eq. (9), keeps rare pairs, which are noise, and the very frequent
ones from ruling. Nothing is normalised: the loss is a sum over cells that know nothing of each other, so that the work
grows with the number of cells that are not zero.

*softmax(A B^T)* is what the article that this project follows prints: row i is a distribution over the neighbours of
i, Q_ij = exp(a_i . b_j) / sum_k exp(a_i . b_k), fitted to what was counted by cross-entropy, -sum_ij X_ij log Q_ij.
That is the objective from which the authors start, eq. (10) to (13): skip-gram with the full softmax, with equal pairs
put together. It needs the sum over the vocabulary, hence the product A B^T with all words, zeros included; there are no
biases, since the normalisation takes the place of b_i; and the weight of a row is how often its word has a neighbour.
The authors leave it for the cost of that sum, and because cross-entropy gives unlikely pairs too much weight.

References
----------
.. [1] Pennington, Socher, Manning, "GloVe: Global Vectors for Word Representation", 2014.
"""

from typing import NamedTuple

import numpy as np

LOSSES = ("least-squares", "softmax")
X_MAX, ALPHA = 100.0, 0.75


def cell_weights(counts, x_max=X_MAX, alpha=ALPHA):
    """f(X) = min(1, (X / x_max)^alpha), eq. (9)."""
    return np.minimum(1, (counts / x_max) ** alpha)


class LeastSquaresCache(NamedTuple):
    w: np.ndarray  # (V, D)
    c: np.ndarray  # (V, D)
    rows: np.ndarray  # (N,)
    columns: np.ndarray  # (N,)
    weights: np.ndarray  # (N,)
    differences: np.ndarray  # (N,)


def least_squares_forward(w, c, b, d, rows, columns, *, counts, x_max=X_MAX, alpha=ALPHA):
    """losses = f(X_ij) (w_i . c_j + b_i + d_j - log X_ij)^2, eq. (8), for cells (i, j).

    w and c (V, D) are the words' vectors and, as neighbours, w~; b and d (V,) their biases; rows, columns and counts X
    (N,) the cells. Losses are (N,).
    """
    differences = (w[rows] * c[columns]).sum(axis=1) + b[rows] + d[columns] - np.log(counts)
    weights = cell_weights(counts, x_max, alpha)
    return weights * differences**2, LeastSquaresCache(w, c, rows, columns, weights, differences)


def least_squares_backward(dlosses, cache):
    """dscores = dloss 2 f(X) difference; dw_i = sum of dscores c_j; dc_j = sum of dscores w_i; db, dd: of dscores.

    Return dw, dc, db, dd, and None for rows and columns, which are ids.
    """
    w, c, rows, columns, weights, differences = cache
    dscores = dlosses * 2 * weights * differences  # (N,)
    dw, dc, db, dd = np.zeros_like(w), np.zeros_like(c), np.zeros_like(w[:, 0]), np.zeros_like(c[:, 0])
    np.add.at(dw, rows, dscores[:, None] * c[columns])
    np.add.at(dc, columns, dscores[:, None] * w[rows])
    np.add.at(db, rows, dscores)
    np.add.at(dd, columns, dscores)
    return dw, dc, db, dd, None, None


class CrossEntropyCache(NamedTuple):
    a: np.ndarray  # (V, D)
    b: np.ndarray  # (V, D)
    rows: np.ndarray  # (N,)
    counts: np.ndarray  # (N, V)
    q: np.ndarray  # (N, V)


def cross_entropy_forward(a, b, rows, *, counts):
    """losses = -sum_j X_ij log Q_ij, Q = softmax(A B^T), for rows i.

    a and b (V, D), rows (N,), and counts, these rows of X, (N, V). Losses are (N,).
    """
    scores = a[rows] @ b.T  # (N, V)
    scores -= scores.max(axis=1, keepdims=True)
    exps = np.exp(scores)
    totals = exps.sum(axis=1, keepdims=True)
    losses = (counts * (np.log(totals) - scores)).sum(axis=1)
    return losses, CrossEntropyCache(a, b, rows, counts, exps / totals)


def cross_entropy_backward(dlosses, cache):
    """dscores_ij = dloss_i (X_i Q_ij - X_ij), X_i the sum of the row; da = dscores b, db = dscores^T a."""
    a, b, rows, counts, q = cache
    dscores = dlosses[:, None] * (counts.sum(axis=1, keepdims=True) * q - counts)
    da = np.zeros_like(a)
    np.add.at(da, rows, dscores @ b)
    return da, dscores.T @ a[rows], None
