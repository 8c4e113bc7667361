"""Training of GloVe by AdaGrad, in either of its forms.

The cells of the least squares come in an order that is drawn once, as in the authors' program; the compiled loop in
``kernels/numba_glove.py`` updates on one after the other, and its numbers do not depend on the number of threads. The
softmax takes some rows of the table at a time, and BLAS computes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minisora.settings import check_setting, is_integer, is_number
from minisora.text.cooccurrence import count_cooccurrences
from minisora.text.glove import ALPHA, LOSSES, X_MAX, cell_weights, cross_entropy_backward, cross_entropy_forward
from minisora.text.word_counts import count_words, encode_words, reusable
from minisora.text.word_vectors import trained_vectors

BATCH = 64  # rows of an update, softmax
NANOSECONDS = 600.0  # of a cell, roughly


@dataclass(frozen=True, kw_only=True)
class GloveConfig:
    """How GloVe is trained; with the text it determines every number.

    Parameters
    ----------
    loss : {"least-squares", "softmax"}
        See `minisora.text.glove`.
    size : int
        D, width of the vectors.
    window : int
        Largest distance of a neighbour.
    x_max, alpha : float
        Of the weight f, eq. (9); for the least squares.
    min_count : int
        Rarer words are left out, and their neighbours come closer together.
    epochs : int
    rate : float
        Of AdaGrad, whose sums of squares begin at 1.
    seed : int
    """

    loss: str = "least-squares"
    size: int = 100
    window: int = 10
    x_max: float = X_MAX
    alpha: float = ALPHA
    min_count: int = 5
    epochs: int = 25
    rate: float = 0.05
    seed: int = 0

    def __post_init__(self):
        for name in ("size", "window", "min_count", "epochs"):
            check_setting(self, name, lambda value: is_integer(value) and value >= 1, "an integer >= 1")
        check_setting(self, "seed", lambda value: is_integer(value) and value >= 0, "an integer >= 0")
        for name in ("x_max", "alpha", "rate"):
            check_setting(self, name, lambda value: is_number(value) and value > 0, "a number > 0")
        check_setting(self, "loss", lambda value: value in LOSSES, f"one of {', '.join(LOSSES)}")


class Side(NamedTuple):
    """The vectors of the words, or of the words as neighbours, and what AdaGrad remembers of each number."""

    vectors: np.ndarray  # (V, D)
    biases: np.ndarray  # (V,)
    vector_squares: np.ndarray  # (V, D), sums of squared gradients
    bias_squares: np.ndarray  # (V,)


def train_glove(sentences, config=None, *, progress_bar=False):
    """Train on sentences, lists of words, and return `WordVectors`: w + w~ (section 4.2), or A for the softmax."""
    config, sentences = config or GloveConfig(), reusable(sentences)
    words, counts = count_words(sentences, config.min_count)
    table = count_cooccurrences(encode_words(sentences, words), len(counts), config.window)
    with np.errstate(over="ignore", invalid="ignore"):  # the end says it once
        training = GloveTraining(len(counts), table, config).fit(progress_bar)
        a, b = training.words.vectors, training.contexts.vectors
        vectors = a if config.loss == "softmax" else a + b
    return trained_vectors(words, vectors, config.rate)


class GloveTraining:
    """Both sides of the model of V words, trained on `Cooccurrences`. ``losses`` holds the sum of each epoch.

    Vectors and biases begin uniform in (-1/2, 1/2) / D, as in the authors' program.
    """

    def __init__(self, size, table, config):
        if not len(table.counts):
            raise ValueError("words that stand near each other are expected in the text, got none")
        self.table, self.config, self.losses = table, config, []
        self._rng = np.random.default_rng(config.seed)
        self.words, self.contexts = self._side(size), self._side(size)

    def _side(self, size):
        vectors, biases = (
            (self._rng.random(shape, np.float32) - np.float32(0.5)) / np.float32(self.config.size)
            for shape in ((size, self.config.size), size)
        )
        return Side(vectors, biases, np.ones_like(vectors), np.ones_like(biases))

    def fit(self, progress_bar=False):
        """Train, with a progress bar on standard error if it is asked for; return this object."""
        from tqdm import tqdm

        epoch = self._softmax_epochs() if self.config.loss == "softmax" else self._least_squares_epochs()
        for _ in tqdm(range(self.config.epochs), unit="epoch", disable=not progress_bar):
            self.losses.append(next(epoch))
        return self

    def _least_squares_epochs(self):
        """Yield the loss of one epoch after the other."""
        from minisora.kernels.compilation import launch
        from minisora.kernels.numba_glove import PARTS, diagonal

        cells, starts = self._shuffled(PARTS)
        losses, cost = np.zeros(PARTS), NANOSECONDS * len(cells[0]) / PARTS
        while True:
            total = 0.0
            for shift in range(PARTS):
                rate = np.float32(self.config.rate)
                arguments = tuple(self.words), tuple(self.contexts), rate, cells, starts, shift, losses
                launch("glove", diagonal, "float32", cost, *arguments)
                total += float(losses.sum())
            yield total

    def _shuffled(self, parts):
        """Rows, columns, log X and f(X) of the cells in random order, block by block; where each block begins."""
        rows, columns, counts = self.table
        order = self._rng.permutation(len(counts))
        blocks = rows[order] % parts * parts + columns[order] % parts
        order = order[np.argsort(blocks, kind="stable")]
        starts = np.concatenate([[0], np.cumsum(np.bincount(blocks, minlength=parts * parts))])
        weights = cell_weights(counts[order], self.config.x_max, self.config.alpha)
        logs = np.log(counts[order]).astype(np.float32)
        return (rows[order], columns[order], logs, weights.astype(np.float32)), starts

    def _softmax_epochs(self):
        """Yield the loss of one epoch after the other; rows without a neighbour are left out."""
        rows, columns, counts = self.table
        present = np.unique(rows)
        starts = np.searchsorted(rows, present), np.searchsorted(rows, present, "right")
        while True:
            total = 0.0
            order = self._rng.permutation(len(present))
            for batch in (order[i : i + BATCH] for i in range(0, len(order), BATCH)):
                dense = np.zeros((len(batch), len(self.words.biases)), np.float32)
                for n, k in enumerate(batch):
                    cells = slice(starts[0][k], starts[1][k])
                    dense[n, columns[cells]] = counts[cells]
                total += self._softmax_update(present[batch], dense)
            yield total

    def _softmax_update(self, rows, counts):
        a, b = self.words.vectors, self.contexts.vectors
        losses, cache = cross_entropy_forward(a, b, rows, counts=counts)
        da, db, _ = cross_entropy_backward(np.ones_like(losses), cache)
        adagrad(a, self.words.vector_squares, da, self.config.rate)
        adagrad(b, self.contexts.vector_squares, db, self.config.rate)
        return float(losses.sum(dtype=np.float64))


def adagrad(data, squares, gradient, rate):
    """squares += gradient^2; data -= rate gradient / sqrt(squares) (Duchi, Hazan, Singer 2011), in place."""
    squares += gradient * gradient
    data -= np.float32(rate) * gradient / np.sqrt(squares)
