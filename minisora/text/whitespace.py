"""A vocabulary of what stands between white space: phones, or text that is segmented already."""

from minisora.text.specials import SPECIALS, UNK


class WhitespaceVocabulary:
    """One token a word; a word outside the vocabulary becomes ``<unk>``.

    Parameters
    ----------
    learnt : sequence of str
        The words, in the order of their ids, which start at 5.
    """

    kind = "whitespace"

    def __init__(self, learnt):
        for token in learnt:
            if token.split() != [token] or any("\ud800" <= character <= "\udfff" for character in token):
                raise ValueError(f"a token of a whitespace vocabulary is text without white space, got {token!r}")
        self.learnt = tuple(learnt)
        self.labels = [*SPECIALS, *self.learnt]
        self._ids = {word: len(SPECIALS) + i for i, word in enumerate(self.learnt)}

    @staticmethod
    def split(text):
        """The units that are counted when a vocabulary is learnt: whatever `str.split` finds."""
        return text.split()

    def encode(self, text):
        """Ids of the words of a text."""
        return [self._ids.get(word, UNK) for word in text.split()]

    def decode(self, ids):
        """The words, joined by single spaces."""
        return " ".join([self.labels[token] for token in ids])
