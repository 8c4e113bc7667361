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
        self._reach = {}  # first two characters to the length of the longest word that begins with them
        for word in scores:
            self._reach[word[:2]] = max(len(word), self._reach.get(word[:2], 0))

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
        score_of, reach = self.scores.get, self._reach.get
        for begin, character in enumerate(text):
            here = best[begin]
            if here + score_of(character, self.unknown) > best[begin + 1]:
                best[begin + 1], begins[begin + 1] = here + score_of(character, self.unknown), begin
            longest = reach(text[begin : begin + 2], 0)
            for end in range(begin + 2, min(begin + longest, len(text)) + 1):
                if here + score_of(text[begin:end], -inf) > best[end]:
                    best[end], begins[end] = here + score_of(text[begin:end], -inf), begin
        words, end = [], len(text)
        while end:
            words.append(text[begins[end] : end])
            end = begins[end]
        return words[::-1], best[-1]
