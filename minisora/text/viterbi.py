"""The most probable segmentation of a text into words of a vocabulary."""

from array import array
from math import inf


class Segmenter:
    """Cut texts into words so that the sum of their log-probabilities is largest [1]_.

    Parameters
    ----------
    scores : dict of str to float
        Words and their log-probabilities.
    unknown : float
        Score of a character that is no word.

    References
    ----------
    .. [1] Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding algorithm", 1967; for
       words as Kudo, "Subword Regularization", 2018, eq. (3).
    """

    def __init__(self, scores, unknown):
        self.scores = scores
        self.unknown = unknown
        self._beginnings = {word[:length] for word in scores for length in range(1, len(word))}

    def segment(self, text):
        """The words of the best segmentation; among equally good ones the last word is the longest, and so on."""
        return self.best(text)[0]

    def best(self, text):
        """The best segmentation and its score.

        best(0) = 0, best(end) = max over words w that end there of best(end - len(w)) + log p(w): filled from left to
        right, read back from the right.
        """
        best = array("d", [0.0]) + array("d", [-inf]) * len(text)  # arrays: a text may have millions of characters
        begins = array("q", [0]) * (len(text) + 1)
        for begin in range(len(text)):
            end, word = begin + 1, text[begin]
            score = self.scores.get(word, self.unknown)
            while True:
                if score is not None and best[begin] + score > best[end]:
                    best[end], begins[end] = best[begin] + score, begin
                if end == len(text) or word not in self._beginnings:
                    break
                end += 1
                word = text[begin:end]
                score = self.scores.get(word)
        words, end = [], len(text)
        while end:
            words.append(text[begins[end] : end])
            end = begins[end]
        return words[::-1], best[-1]
