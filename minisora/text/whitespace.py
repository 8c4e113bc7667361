"""A vocabulary of what stands between white space: phones, or text that is segmented already."""

import re
import reprlib

from minisora.text.checks import check_distinct, check_list, has_surrogate, room_for
from minisora.text.counting import frequent_units
from minisora.text.specials import SPECIALS, UNK

WORD = re.compile(r"\S+")  # finds what str.split() gives


class WhitespaceVocabulary:
    """One token a word; a word outside the vocabulary becomes ``<unk>``.

    Parameters
    ----------
    learnt : sequence of str
        The words, in the order of their ids, which start at 5.
    """

    kind = "whitespace"
    fields = ("tokens",)

    def __init__(self, learnt):
        check_distinct(learnt)
        for token in learnt:
            if token.split() != [token] or has_surrogate(token):
                raise ValueError(
                    f"a token of a whitespace vocabulary is text without white space, got {reprlib.repr(token)}"
                )
        self.learnt = tuple(learnt)
        self.labels = [*SPECIALS, *self.learnt]
        self._ids = {word: len(SPECIALS) + i for i, word in enumerate(self.learnt)}

    @classmethod
    def learn(cls, texts, *, min_count, vocab_size):
        """The words of the texts, sorted: ids depend on neither the order of the texts nor the counts."""
        room = room_for(vocab_size, len(SPECIALS), "the special tokens")
        return cls(frequent_units(texts, str.split, min_count, room))

    def to_fields(self):
        """What a file says of the vocabulary."""
        return {"tokens": self.learnt}

    @classmethod
    def from_fields(cls, tokens):
        """The vocabulary that a file describes; ValueError where it describes none."""
        check_list("tokens", tokens)
        return cls(tokens)

    def encode(self, text):
        """Ids of the words of a text."""
        return [self._ids.get(word, UNK) for word in text.split()]

    def decode(self, ids):
        """The words, joined by single spaces."""
        return " ".join([self.labels[token] for token in ids])

    def offsets(self, text, ids):
        """(start, stop) in the text of each word, in characters."""
        return [found.span() for found in WORD.finditer(text)]

    def labels_in(self, text, ids):
        """The words as they stand in the text, those outside the vocabulary too."""
        return text.split()
