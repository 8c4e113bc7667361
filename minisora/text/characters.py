"""A vocabulary of characters that loses nothing: what it does not know, it spells in UTF-8 bytes."""

from minisora.text.specials import SPECIALS

FIRST_BYTE = len(SPECIALS)
FIRST_CHARACTER = FIRST_BYTE + 256


class CharacterVocabulary:
    """One token a character, and 256 tokens for the bytes of characters outside the vocabulary.

    Parameters
    ----------
    learnt : sequence of str
        The characters that have a token of their own, in the order of their ids, which start at 261.
    """

    kind = "characters"

    def __init__(self, learnt):
        for token in learnt:
            if len(token) != 1 or "\ud800" <= token <= "\udfff":
                raise ValueError(f"a token of a characters vocabulary is one Unicode scalar value, got {token!r}")
        self.learnt = tuple(learnt)
        self.labels = [*SPECIALS, *(f"<0x{byte:02X}>" for byte in range(256)), *self.learnt]
        self._ids = {character: FIRST_CHARACTER + i for i, character in enumerate(self.learnt)}
        self._utf8 = [label.encode() for label in self.labels]
        self._utf8[FIRST_BYTE:FIRST_CHARACTER] = (bytes([byte]) for byte in range(256))

    @staticmethod
    def split(text):
        """The units that are counted when a vocabulary is learnt."""
        return text

    def encode(self, text):
        """Ids of a text that holds no lone surrogate."""
        try:
            return [self._ids[character] for character in text]
        except KeyError:
            return [token for character in text for token in self._spell(character)]

    def _spell(self, character):
        known = self._ids.get(character)
        return (known,) if known is not None else [FIRST_BYTE + byte for byte in character.encode()]

    def decode(self, ids):
        """Text of the ids; bytes that are not valid UTF-8 become U+FFFD, the replacement character."""
        return b"".join([self._utf8[token] for token in ids]).decode("utf-8", errors="replace")
