"""A vocabulary of characters that loses nothing: what it does not know, it spells in UTF-8 bytes."""

import reprlib

from minisora.text.byte_pieces import FIRST_BYTE, FIRST_LEARNT, FIXED, BytePieces
from minisora.text.checks import check_distinct, check_list, has_surrogate, room_for
from minisora.text.counting import frequent_units


class CharacterVocabulary(BytePieces):
    """One token a character, and 256 tokens for the bytes of characters outside the vocabulary.

    Parameters
    ----------
    learnt : sequence of str
        The characters that have a token of their own, in the order of their ids, which start at 261.
    """

    kind = "characters"
    fields = ("tokens",)

    def __init__(self, learnt):
        check_distinct(learnt)
        for token in learnt:
            if len(token) != 1 or has_surrogate(token):
                raise ValueError(
                    f"a token of a characters vocabulary is one Unicode scalar value, got {reprlib.repr(token)}"
                )
        self.learnt = tuple(learnt)
        super().__init__([character.encode() for character in self.learnt])
        self._ids = {character: FIRST_LEARNT + i for i, character in enumerate(self.learnt)}

    @classmethod
    def learn(cls, texts, *, min_count, vocab_size):
        """The characters of the texts, sorted: ids depend on neither the order of the texts nor the counts."""
        return cls(frequent_units(texts, iter, min_count, room_for(vocab_size, FIRST_LEARNT, FIXED)))

    def to_fields(self):
        """What a file says of the vocabulary."""
        return {"tokens": self.learnt}

    @classmethod
    def from_fields(cls, tokens):
        """The vocabulary that a file describes; ValueError where it describes none."""
        check_list("tokens", tokens)
        return cls(tokens)

    def encode(self, text):
        """Ids of a text that holds no lone surrogate."""
        try:
            return [self._ids[character] for character in text]
        except KeyError:
            return [token for character in text for token in self._spell(character)]

    def _spell(self, character):
        known = self._ids.get(character)
        return (known,) if known is not None else [FIRST_BYTE + byte for byte in character.encode()]
