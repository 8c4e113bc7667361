"""What the vocabularies that lose nothing share: each token stands for bytes of UTF-8, and 256 of them for one byte."""

from minisora.text.labels import piece_labels, piece_offsets
from minisora.text.specials import SPECIALS

FIRST_BYTE = len(SPECIALS)
FIRST_LEARNT = FIRST_BYTE + 256
FIXED = "the special tokens and the bytes"
BYTE_LABELS = tuple(f"<0x{byte:02X}>" for byte in range(256))


class BytePieces:
    """Tokens whose bytes, one after another, are the UTF-8 form of the text.

    So decoding is joining, a text comes back whatever it holds, and the lengths of the tokens say where each one lies
    in the text.

    Parameters
    ----------
    pieces : sequence of bytes
        What the learnt tokens stand for, in the order of their ids, which start at 261.
    """

    def __init__(self, pieces):
        self.labels = [*SPECIALS, *BYTE_LABELS, *map(label_of, pieces)]
        self._utf8 = [special.encode() for special in SPECIALS]
        self._utf8 += [bytes([byte]) for byte in range(256)]
        self._utf8 += pieces

    def decode(self, ids):
        """Text of the ids; bytes that are not valid UTF-8 become U+FFFD, the replacement character."""
        return b"".join([self._utf8[token] for token in ids]).decode("utf-8", errors="replace")

    def offsets(self, text, ids):
        """(start, stop) in the text of each token, in characters; bytes of one character share its place."""
        return piece_offsets(text, [len(self._utf8[token]) for token in ids])

    def labels_in(self, text, ids):
        """The slice of the text that each token covers."""
        return piece_labels(text, [len(self._utf8[token]) for token in ids])


def label_of(piece):
    """Some bytes as text, or one by one where they are no whole characters."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "".join(BYTE_LABELS[byte] for byte in piece)
