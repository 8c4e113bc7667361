"""Training of word2vec: what is drawn, how long, and at which learning rate.

With negative sampling a text is taken in blocks of some thousand words. While one thread makes the updates of a block,
the others draw the examples of the next. With the softmax, whose time goes into products with all vectors, a block is
cut into small batches, and BLAS computes. For a seed, the numbers of the former do not depend on the number of threads;
those of the latter may, in their last digits, where BLAS takes its sums in another order.
"""

from dataclasses import dataclass

import numpy as np

from minisora.kernels.random import mix64
from minisora.settings import check_setting, is_integer, is_number
from minisora.text.noise import alias_table, noise_distribution
from minisora.text.subsampling import keep_probabilities
from minisora.text.word2vec import LOSSES, word2vec_backward, word2vec_forward
from minisora.text.word_counts import count_words, encode_words, reusable
from minisora.text.word_vectors import trained_vectors

ARCHITECTURES = ("skip-gram", "cbow")
RATES = {"skip-gram": 0.025, "cbow": 0.1}  # a CBOW word gets the gradient of a mean, so a share of it only
CHUNK = 2_500  # words that one thread draws from at a time
CHUNKS = 4  # of a block, within which the learning rate stays
FARTHEST = 1 << 31  # neighbour: how far to look is drawn from 32 random bits, and no sentence is that long
BATCH = 64  # examples of an update, softmax
NANOSECONDS = 400.0  # of an example, roughly
LANES = 8  # rows are filled up with zeros to a multiple of it, since the rest of a row is added up one by one


@dataclass(frozen=True, kw_only=True)
class Word2VecConfig:
    """How word2vec is trained; with the text it determines every number.

    Parameters
    ----------
    architecture : {"skip-gram", "cbow"}
    loss : {"negative-sampling", "softmax"}
    size : int
        D, width of the vectors.
    window : int
        Largest distance of a neighbour. The reach is drawn anew for each word, from 1 to this, so that near words count
        more.
    negatives : int
        K, words of noise for each example.
    subsample : float
        t of `minisora.text.subsampling`; 0 keeps everything.
    min_count : int
        Rarer words are left out, and their neighbours come closer together.
    epochs : int
    rate : float or None
        Learning rate at the beginning; it falls in a straight line to ``final_rate``, a smaller one stays as it is.
        None is 0.025 for skip-gram and 0.1 for CBOW.
    seed : int
    """

    architecture: str = "skip-gram"
    loss: str = "negative-sampling"
    size: int = 100
    window: int = 5
    negatives: int = 5
    subsample: float = 1e-3
    min_count: int = 5
    epochs: int = 5
    rate: float | None = None
    final_rate: float = 1e-4
    seed: int = 0

    def __post_init__(self):
        for name in ("size", "window", "negatives", "min_count", "epochs"):
            check_setting(self, name, lambda value: is_integer(value) and value >= 1, "an integer >= 1")
        check_setting(self, "seed", lambda value: is_integer(value) and value >= 0, "an integer >= 0")
        for name in ("subsample", "final_rate"):
            check_setting(self, name, lambda value: is_number(value) and value >= 0, "a number >= 0")
        if self.rate is not None:
            check_setting(self, "rate", lambda value: is_number(value) and value > 0, "a number > 0 or None")
        check_setting(self, "architecture", lambda value: value in ARCHITECTURES, f"one of {', '.join(ARCHITECTURES)}")
        check_setting(self, "loss", lambda value: value in LOSSES, f"one of {', '.join(LOSSES)}")

    def rate_at(self, share):
        """The learning rate after this share of the training."""
        rate = RATES[self.architecture] if self.rate is None else self.rate
        final = min(self.final_rate, rate)
        return max(final, rate + (final - rate) * share)


def train_word2vec(sentences, config=None, *, progress_bar=False):
    """Train word vectors on sentences, lists of words, and return the `WordVectors` v."""
    config, sentences = config or Word2VecConfig(), reusable(sentences)
    vocabulary = count_words(sentences, config.min_count)
    with np.errstate(over="ignore", invalid="ignore"):  # the end says it once
        training = Word2VecTraining(vocabulary, encode_words(sentences, vocabulary.words), config).fit(progress_bar)
    return trained_vectors(vocabulary.words, training.v.copy(), config.rate_at(0))


class Word2VecTraining:
    """The vectors v and u (V, D) of a vocabulary, trained on an `EncodedText`.

    v begins uniform in (-1/2, 1/2) / D and u at zero, as in word2vec.c. ``examples`` counts the updates that were made,
    ``kept`` the words that subsampling left.
    """

    def __init__(self, vocabulary, text, config):
        self.config, self.examples, self.kept = config, 0, 0
        shape = len(vocabulary.words), config.size
        self._filled = np.zeros((2, shape[0], -(-config.size // LANES) * LANES), np.float32)  # zeros stay zeros
        self.v, self.u = self._filled[..., : config.size]
        self.v[...] = np.random.default_rng(config.seed).random(shape, np.float32) - np.float32(0.5)
        self.v /= np.float32(config.size)
        keep = keep_probabilities(vocabulary.counts, config.subsample) * 2**32
        self._text = *text, keep.astype(np.uint64)
        self._noise = alias_table(noise_distribution(vocabulary.counts))
        longest = int(np.diff(text.starts).max(initial=1))
        neighbours = min(2 * config.window, max(longest - 1, 1))  # at most
        self._window = min(config.window, FARTHEST)
        cbow = config.architecture == "cbow"
        self._columns, self._examples_of_a_word = (neighbours, 1) if cbow else (1, neighbours)

    def fit(self, progress_bar=False):
        """Train, with a progress bar on standard error if it is asked for; return this object."""
        from tqdm import tqdm

        blocks, starts = self._blocks(), self._text[1]
        words = np.diff(starts[[block[0] for block in blocks] + [blocks[-1][-1]]])
        total, buffers = int(words.sum()) * self.config.epochs, [self._buffer(words.max()) for _ in range(2)]
        drawn, updates, done = self._placed(buffers[0], blocks[0][:1]), 0, 0
        with tqdm(total=total, unit="word", unit_scale=True, disable=not progress_bar) as bar:
            for n in range(self.config.epochs * len(blocks) + 1):
                epoch, b = divmod(n, len(blocks))
                chunks = blocks[b] if epoch < self.config.epochs else blocks[0][:1]  # at the end there is none to draw
                draws = self._placed(buffers[(n + 1) % 2], chunks)
                self._work(self.config.rate_at(done / total), drawn, updates, chunks, draws, epoch)
                done += int(words[b - 1]) if n else 0
                bar.update(done - bar.n)
                drawn, updates = draws, len(chunks) - 1
        return self

    def _work(self, rate, drawn, updates, chunks, draws, epoch):
        """Make the updates of one block, and draw the next one."""
        from minisora.kernels.compilation import launch
        from minisora.kernels.numba_word2vec import train_block

        config = self.config
        compiled = 0 if config.loss == "softmax" else updates
        seed = np.uint64(mix64(mix64(config.seed) ^ epoch))
        cost = NANOSECONDS * drawn[1][:updates, 0].sum() + NANOSECONDS * self._text[1][chunks[[0, -1]]] @ [-1, 1]
        of_draw = chunks, self._noise, self._window, config.architecture == "cbow", seed, draws
        arguments = *self._filled, np.float32(rate), drawn, compiled, self._text, *of_draw
        launch("word2vec", train_block, "float32", cost, *arguments)
        if config.loss == "softmax":
            for place, count in zip(drawn[0], drawn[1][:updates, 0]):
                self._softmax_updates(rate, *(rows[place : place + count] for rows in drawn[2:]))
        examples, kept = drawn[1][:updates].sum(axis=0).tolist()
        self.examples, self.kept = self.examples + examples, self.kept + kept

    def _softmax_updates(self, rate, inputs, targets):
        """A step of gradient descent for each batch, on the sum of its losses."""
        for begin in range(0, len(inputs), BATCH):
            batch = inputs[begin : begin + BATCH], targets[begin : begin + BATCH]
            losses, cache = word2vec_forward(self.v, self.u, *batch, loss="softmax")
            dv, du, _, _ = word2vec_backward(np.ones_like(losses), cache)
            self.v -= np.float32(rate) * dv
            self.u -= np.float32(rate) * du

    def _blocks(self):
        """The sentences at which the chunks of each block begin, and the one at which its last chunk ends."""
        starts = self._text[1]
        if len(starts) < 2:
            raise ValueError("a text with at least one sentence of known words is expected, got none")
        edges = [0]
        for sentence in range(1, len(starts)):
            if starts[sentence] - starts[edges[-1]] >= CHUNK or sentence == len(starts) - 1:
                edges.append(sentence)
        return [np.array(edges[i : i + CHUNKS + 1]) for i in range(0, len(edges) - 1, CHUNKS)]

    def _buffer(self, words):
        """Room for the counts, inputs and targets of the examples of a block."""
        negatives = 0 if self.config.loss == "softmax" else self.config.negatives
        rows = int(words) * self._examples_of_a_word
        return (
            np.zeros((CHUNKS, 2), np.int64),
            np.full((rows, self._columns), -1, np.int32),
            np.full((rows, 1 + negatives), -1, np.int32),
        )

    def _placed(self, buffer, chunks):
        """A buffer, and where in it the examples of each chunk begin."""
        starts = self._text[1][chunks]
        return (starts - starts[0]) * self._examples_of_a_word, *buffer
