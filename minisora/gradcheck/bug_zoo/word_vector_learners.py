"""Two small models of words on a ring, where near words are neighbours: CBOW and GloVe, by plain gradient descent."""

import numpy as np

from minisora.text import glove, word2vec

_V, _D = 13, 6  # words, width
_EXAMPLES, _INPUTS, _NOISE, _CBOW_LR = 64, 4, 3, 0.02
_X_MAX, _GLOVE_LR = 8.0, 0.01


def cbow(rng, key):
    """Return ``step(n) -> loss``: CBOW with negative sampling; neighbours are up to two places away, and may repeat."""
    v, u = rng.normal(0, 0.3, (2, _V, _D))

    def step(n):
        words = rng.integers(0, _V, (_EXAMPLES, 1))
        inputs = (words + rng.choice([-2, -1, 1, 2], (_EXAMPLES, _INPUTS))) % _V
        inputs[:, 1:][rng.random((_EXAMPLES, _INPUTS - 1)) < 0.4] = -1
        noise = (words + rng.integers(1, _V, (_EXAMPLES, _NOISE))) % _V
        targets = np.concatenate([words, noise], axis=1)
        losses, cache = word2vec.word2vec_forward(v, u, inputs, targets)
        dv, du, _, _ = word2vec.word2vec_backward(np.ones_like(losses), cache)
        loss = _cbow_loss(v, u, inputs, targets)
        v[...] -= _CBOW_LR * dv
        u[...] -= _CBOW_LR * du
        return loss

    return step


def _cbow_loss(v, u, inputs, targets):
    """Eq. (4) written out for one example after the other, per example."""
    total = 0.0
    for found, (word, *noise) in zip(inputs, targets):
        h = np.mean([v[i] for i in found if i >= 0], axis=0)
        total += np.log1p(np.exp(-u[word] @ h)) + sum(np.log1p(np.exp(u[k] @ h)) for k in noise)
    return total / len(inputs)


def glove_least_squares(rng, key):
    """Return ``step(n) -> loss``: GloVe on a table of counts that fall with the distance on the ring."""
    parameters = [*rng.normal(0, 0.3, (2, _V, _D)), *np.zeros((2, _V))]
    rows, columns = np.indices((_V, _V)).reshape(2, -1)
    distance = np.minimum((rows - columns) % _V, (columns - rows) % _V)
    counts = 20.0 * 0.6**distance

    def step(n):
        losses, cache = glove.least_squares_forward(*parameters, rows, columns, counts=counts, x_max=_X_MAX)
        gradients = glove.least_squares_backward(np.ones_like(losses), cache)
        loss = _least_squares_loss(*parameters, counts.reshape(_V, _V))
        for parameter, gradient in zip(parameters, gradients):
            parameter -= _GLOVE_LR * gradient
        return loss

    return step


def _least_squares_loss(w, c, b, d, counts):
    """Eq. (8) written out for the whole table, per cell."""
    differences = w @ c.T + b[:, None] + d - np.log(counts)
    return (np.minimum(1, (counts / _X_MAX) ** 0.75) * differences**2).mean()
