"""Byte-pair encoding: a vocabulary of byte strings, each the joining of two before it."""

import reprlib

from minisora.text.byte_pieces import FIRST_BYTE, FIRST_LEARNT, FIXED, BytePieces
from minisora.text.checks import check_list, room_for

LONGEST = 256  # bytes of a token: forty merges that each double the last would fill any memory
MOST = 1 << 18  # merges
DEFAULT_SIZE = 8000


class BpeVocabulary(BytePieces):
    """Byte-level BPE [1]_: bytes are tokens, and the merges that were learnt join two tokens to one, in their order.

    Every text comes back unchanged, since its bytes do. Learning and encoding are the work of the library `tokenizers`
    (extra ``text``), which is imported when they are needed. It never sees a file: it is given the vocabulary and the
    merges that were checked here, and no special tokens, so that ``<s>`` in a text is text.

    Parameters
    ----------
    learnt : sequence of (int, int)
        The merges: ids of the left and of the right token. The first new byte string gets id 261, and so on; a merge
        may only name ids that exist when its turn comes.

    References
    ----------
    .. [1] Sennrich, Haddow, Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016; on bytes:
       Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
    """

    kind = "bpe"
    fields = ("merges",)

    def __init__(self, learnt):
        pieces = merged_pieces(learnt)
        self.learnt = tuple((left, right) for left, right in learnt)
        super().__init__(pieces[256:])
        self._library = None

    @classmethod
    def learn(cls, texts, *, min_count, vocab_size):
        """Merge the most frequent pair of neighbours, until there are vocab_size ids or no pair occurs twice."""
        from minisora.text.bpe_library import learn_merges

        room = room_for(DEFAULT_SIZE if vocab_size is None else vocab_size, FIRST_LEARNT, FIXED)
        return cls(learn_merges(texts, room, max(2, min_count)))

    def to_fields(self):
        """What a file says of the vocabulary."""
        return {"merges": self.learnt}

    @classmethod
    def from_fields(cls, merges):
        """The vocabulary that a file describes; ValueError where it describes none."""
        check_list("merges", merges)
        return cls(merges)

    def encode(self, text):
        """Ids of a text that holds no lone surrogate."""
        from minisora.text.bpe_library import blocks, build

        if self._library is None:
            self._library = build(self._utf8[FIRST_BYTE:], self.learnt)
        return [token for block in blocks(text) for token in self._library.encode(block, add_special_tokens=False).ids]


def merged_pieces(merges):
    """The bytes of every token: the 256, then what the merges make; ValueError where a merge is none.

    Two merges may make the same bytes, which are one token.
    """
    if len(merges) > MOST:
        raise ValueError(f"expected at most {MOST} merges, got {len(merges)}")
    pieces = [bytes([byte]) for byte in range(256)]
    known, seen = set(pieces), set()
    for number, merge in enumerate(merges):
        check_merge(merge, FIRST_BYTE + len(pieces), number)
        left, right = merge
        piece = pieces[left - FIRST_BYTE] + pieces[right - FIRST_BYTE]
        if (left, right) in seen or len(piece) > LONGEST:
            raise ValueError(f"merge {number} occurs before, or makes a token of more than {LONGEST} bytes")
        seen.add((left, right))
        if piece not in known:
            known.add(piece)
            pieces.append(piece)
    return pieces


def check_merge(merge, end, number):
    """Raise ValueError unless a merge is a pair of ids from 5 to end - 1."""
    pair = isinstance(merge, list | tuple) and len(merge) == 2
    if not pair or not all(type(token) is int and FIRST_BYTE <= token < end for token in merge):
        raise ValueError(f"merge {number} must be two ids from {FIRST_BYTE} to {end - 1}, got {reprlib.repr(merge)}")
