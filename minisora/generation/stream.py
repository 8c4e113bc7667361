"""A text as it comes, token by token."""

UNKNOWN = "\ufffd"  # what bytes that form no character are decoded to


class TextStream:
    """Turns the tokens of one answer into pieces of text; joined, they are the decoded answer.

    A token may hold the beginning of a character alone. What it decodes to, U+FFFD, is held back until the tokens that
    follow make it a character, or show that it is none.

    Parameters
    ----------
    tokenizer : SoraTokenizer
    """

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer
        self._ids, self._shown = [], 0

    def add(self, token):
        """Return what one more token makes certain, often one character, sometimes nothing."""
        self._ids.append(token)
        return self._new(self._tokenizer.decode(self._ids).rstrip(UNKNOWN))

    def rest(self):
        """Return what was held back: the answer has ended."""
        return self._new(self._tokenizer.decode(self._ids))

    def _new(self, text):
        piece, self._shown = text[self._shown :], len(text)
        return piece
