"""A vocabulary of words, Chinese ones above all, that a unigram model has found; what is no word is spelt."""

import reprlib

from minisora.text.byte_pieces import FIRST_BYTE, FIRST_LEARNT, FIXED, BytePieces
from minisora.text.checks import check_distinct, check_list, has_surrogate, room_for
from minisora.text.runs import split_runs
from minisora.text.unigram import learn_words
from minisora.text.viterbi import Segmenter

LONGEST = 64  # characters of a word: encoding takes time in proportion
LOWEST = -1000.0  # of the scores: further down two sums of them may not differ
UNKNOWN = 10.0  # how much less than the rarest word an unknown character scores, as in SentencePiece
DEFAULT_SIZE = 8000


class WordVocabulary(BytePieces):
    """One token a word; a text is cut where the product of the words' probabilities is largest.

    Words never cross from Chinese to other letters, nor over spaces, digits and punctuation (`split_runs`). A character
    outside the vocabulary takes one token per byte of its UTF-8 form, so that every text comes back unchanged.

    Parameters
    ----------
    learnt : sequence of (str, float)
        Words and their log-probabilities, in the order of their ids, which start at 261.
    """

    kind = "words"
    fields = ("tokens", "scores")

    def __init__(self, learnt):
        self.learnt = tuple((word, score) for word, score in learnt)
        words = [word for word, _ in self.learnt]
        check_distinct(words)
        for word, score in self.learnt:
            check_word(word, score)
        super().__init__([word.encode() for word in words])
        self._ids = {word: FIRST_LEARNT + i for i, word in enumerate(words)}
        lowest = min((score for _, score in self.learnt), default=0.0)
        self._segmenter = Segmenter(dict(self.learnt), lowest - UNKNOWN)

    @classmethod
    def learn(cls, texts, *, min_count, vocab_size):
        """The words of the texts, sorted, at most vocab_size ids in all."""
        room = room_for(DEFAULT_SIZE if vocab_size is None else vocab_size, FIRST_LEARNT, FIXED)
        return cls([(word, round(score, 6)) for word, score in learn_words(texts, room, min_count).items()])

    def to_fields(self):
        """What a file says of the vocabulary."""
        return {"tokens": [word for word, _ in self.learnt], "scores": [score for _, score in self.learnt]}

    @classmethod
    def from_fields(cls, tokens, scores):
        """The vocabulary that a file describes; ValueError where it describes none."""
        check_list("tokens", tokens)
        check_list("scores", scores)
        if len(tokens) != len(scores):
            raise ValueError(f"expected one score for each of {len(tokens)} tokens, got {len(scores)}")
        return cls(zip(tokens, scores, strict=True))

    def encode(self, text):
        """Ids of a text that holds no lone surrogate."""
        ids = []
        for run in split_runs(text):
            for word in self._segmenter.segment(run) if len(run) > 1 else run:
                known = self._ids.get(word)
                ids.extend((known,) if known is not None else [FIRST_BYTE + byte for byte in word.encode()])
        return ids


def check_word(word, score):
    """Raise ValueError unless these are a word and a log-probability."""
    if not 0 < len(word) <= LONGEST or has_surrogate(word):
        raise ValueError(f"a token of a words vocabulary is text of 1 to {LONGEST} characters, got {word[:80]!r}")
    if isinstance(score, bool) or not isinstance(score, int | float) or not LOWEST <= score <= 0:
        raise ValueError(f"a score is a logarithm from {LOWEST:g} to 0, got {reprlib.repr(score)} for {word!r}")
