"""Word vectors: a word's nearest neighbours, and how well they agree with people's judgement."""

from functools import cached_property

import numpy as np


def trained_vectors(words, vectors, rate):
    """The `WordVectors` of a training; ValueError with its learning rate where they left the range of numbers."""
    if not np.isfinite(vectors).all():
        raise ValueError(
            f"expected finite vectors at the end of the training, got others: a rate below {rate:g} may help"
        )
    return WordVectors(words, vectors)


class WordVectors:
    """Words and their vectors.

    Parameters
    ----------
    words : sequence of str
    vectors : array (V, D)
        Finite numbers.
    """

    def __init__(self, words, vectors):
        self.words, self.vectors = tuple(words), np.asarray(vectors)
        if self.vectors.ndim != 2 or len(self.words) != len(self.vectors):
            raise ValueError(f"a vector for each of {len(self.words)} words is expected, got {self.vectors.shape}")
        if not np.isfinite(self.vectors).all():
            raise ValueError("word vectors are expected to be finite, got some numbers that are not")
        self._ids = {word: i for i, word in enumerate(self.words)}
        if len(self._ids) < len(self.words):
            raise ValueError("each word is expected once, got some more often")

    @cached_property
    def directions(self):
        """The vectors at length 1, (V, D) float32 or wider; a vector of zeros stays."""
        largest = np.abs(self.vectors).max(axis=1, keepdims=True, initial=0)
        scaled = self.vectors / np.where(largest == 0, 1, largest)  # a square of what is very large or small is lost
        lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
        return scaled / np.where(lengths == 0, 1, lengths)

    def __len__(self):
        return len(self.words)

    def __contains__(self, word):
        return word in self._ids

    def __getitem__(self, word):
        """The vector (D,) of a word."""
        return self.vectors[self._id(word)]

    def _id(self, word):
        if word not in self._ids:
            raise ValueError(f"expected one of the {len(self.words):,} words that have a vector, got {word!r}")
        return self._ids[word]

    def similarity(self, a, b):
        """The cosine of two words' vectors."""
        return float(self.directions[self._id(a)] @ self.directions[self._id(b)])

    def nearest(self, word, count=10):
        """The words whose vectors have the largest cosine with a word's, without the word, and the cosines."""
        i = self._id(word)
        cosines = self.directions @ self.directions[i]
        order = np.argsort(-cosines, kind="stable")
        return [(self.words[j], float(cosines[j])) for j in order if j != i][:count]
