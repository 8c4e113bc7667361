"""The words of a text and how often they occur; the text as their numbers."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

LONGEST = 1_000  # words of a sentence; what is longer is cut, so that a text without line ends can be shared out


class WordCounts(NamedTuple):
    """The vocabulary of word vectors: the most frequent word first, equally frequent ones in alphabetical order."""

    words: tuple  # (V,) of str
    counts: np.ndarray  # (V,) int64


class EncodedText(NamedTuple):
    """Sentences after each other, without the words that are not in the vocabulary."""

    ids: np.ndarray  # (N,) int32
    starts: np.ndarray  # (M + 1,) int64: sentence m is ids[starts[m] : starts[m + 1]]


def reusable(sentences):
    """Sentences that can be gone through more than once: those of an iterator as a list, others as they are."""
    return list(sentences) if iter(sentences) is sentences else sentences


def count_words(sentences, min_count=5):
    """Return the `WordCounts` of sentences, lists of words: those that occur at least ``min_count`` times."""
    counted = Counter()
    for sentence in sentences:
        if isinstance(sentence, str):
            raise ValueError(f"a sentence is expected as a list of words, got the string {sentence[:40]!r}")
        counted.update(sentence)
    kept = sorted((-count, word) for word, count in counted.items() if count >= min_count)
    if len(kept) < 2:
        raise ValueError(f"at least two words that occur {min_count} times are expected in the text, got {len(kept)}")
    return WordCounts(tuple(word for _, word in kept), np.array([-count for count, _ in kept], np.int64))


def encode_words(sentences, words):
    """Return sentences, lists of words, as an `EncodedText` over ``words``."""
    known = {word: i for i, word in enumerate(words)}
    ids, ends = [], [0]
    for sentence in sentences:
        ids.extend(known[word] for word in sentence if word in known)
        while len(ids) - ends[-1] > LONGEST:
            ends.append(ends[-1] + LONGEST)
        if len(ids) > ends[-1]:
            ends.append(len(ids))
    return EncodedText(np.array(ids, np.int32), np.array(ends, np.int64))


def read_sentences(path):
    """Return the lines of a UTF-8 file as lists of the words between white space; empty lines are left out."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: text is expected in UTF-8, byte {error.start} is not") from None
    return [words for line in text.split("\n") if (words := line.split())]
