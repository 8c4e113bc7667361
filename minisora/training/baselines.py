"""What can be had without a model: the most frequent answer, and the answer of the most similar training question."""

from collections import Counter
from itertools import pairwise

import numpy as np


class MostFrequent:
    """Always the answer that training showed most often."""

    def __init__(self, pairs):
        self.reply = Counter(target for _, target in pairs).most_common(1)[0][0]

    def answer(self, texts):
        """One answer a text."""
        return [self.reply] * len(texts)


class NearestQuestion:
    """The answer of the nearest training question, by the cosine of TF-IDF vectors of characters and character pairs.

    Weights are tf * (ln((1 + N) / (1 + df)) + 1), the vectors have length 1 (Manning, Raghavan, Schütze 2008, chapter
    6; the smoothing is scikit-learn's).

    Parameters
    ----------
    pairs : list of (str, str)
        Training questions and answers. Of equally near questions the first one answers.
    """

    def __init__(self, pairs):
        self._targets = [target for _, target in pairs]
        self._ids = {}  # n-gram to number
        grams, counts, lengths = [], [], []
        for source, _ in pairs:
            bag = _bag(source)
            grams += [self._ids.setdefault(gram, len(self._ids)) for gram in bag]
            counts += bag.values()
            lengths.append(len(bag))
        grams, rows = np.array(grams, np.int64), np.repeat(np.arange(len(pairs)), lengths)
        documents = np.bincount(grams, minlength=len(self._ids))  # each question has a gram once in its bag
        self._idf = np.log((1 + len(pairs)) / (1 + documents)) + 1
        weights = np.array(counts) * self._idf[grams]
        weights /= np.sqrt(np.bincount(rows, weights**2))[rows]
        order = np.argsort(grams, kind="stable")  # an index: the questions of each gram lie together
        self._rows, self._weights = rows[order], weights[order]
        self._starts = np.concatenate(([0], np.cumsum(documents)))

    def answer(self, texts):
        """One answer a text."""
        return [self._targets[self.nearest(text)] for text in texts]

    def nearest(self, text):
        """The number of the most similar training question."""
        known = [(self._ids[gram], count) for gram, count in _bag(text).items() if gram in self._ids]
        scores = np.zeros(len(self._targets))
        for gram, count in known:
            part = slice(self._starts[gram], self._starts[gram + 1])
            scores[self._rows[part]] += count * self._idf[gram] * self._weights[part]  # no row twice: += loses nothing
        return int(scores.argmax())  # the length of the question's own vector changes no order


def _bag(text):
    """Counts of the characters and the pairs of neighbours."""
    return Counter([*text, *map("".join, pairwise(text))])
