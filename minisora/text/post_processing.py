"""What can be done to an answer before it is shown: each step by itself, each only on request.

Every one of them changes some right answers: 天天 and "1000" repeat characters, 研究研究 repeats a fragment, and where
an answer is compared with a target each added space counts. So the steps are cautious, and none is on by default.
"""

import re
from typing import NamedTuple

from minisora.text.runs import HAN
from minisora.text.stop_words import remove_stop_words

MOST = 2  # times in a row that a character may stand: 谢谢, 天天, ……
SHORTEST, LONGEST = 3, 40  # characters of a fragment: one of two, as in 研究研究, is good Chinese
LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f0-9"  # all but × and ÷, which are signs


class PostProcessing(NamedTuple):
    """Which steps are taken, in this order."""

    stop_words: frozenset = frozenset()  # removed
    segment: object = None  # how remove_stop_words finds Chinese words
    characters: bool = False  # repeated ones are collapsed
    fragments: bool = False  # repeated ones are collapsed
    spacing: bool = False  # a space between Chinese and Latin

    def apply(self, text):
        """The text after all steps that are on."""
        if self.stop_words:
            text = remove_stop_words(text, self.stop_words, self.segment)
        if self.characters:
            text = collapse_characters(text)
        if self.fragments:
            text = collapse_fragments(text)
        return space_scripts(text) if self.spacing else text


def collapse_characters(text):
    """Leave two of a character that stands three times or more; digits and the www of an address are left alone.

    >>> collapse_characters("好好好好！！！ 1000")
    '好好！！ 1000'
    """
    return re.sub(r"(?!www\.)([^\d])\1{2,}", r"\1" * MOST, text, flags=re.DOTALL)


def collapse_fragments(text):
    """Leave one of a fragment of 3 to 40 characters that is repeated at once; what has no letter is left alone.

    >>> collapse_fragments("今天晴，今天晴，今天晴。")
    '今天晴，今天晴。'
    """
    pattern = rf"(.{{{SHORTEST},{LONGEST}}}?)\1+"
    return re.sub(pattern, lambda found: found[1] if _has_letter(found[1]) else found[0], text, flags=re.DOTALL)


def _has_letter(fragment):
    return any(character.isalpha() for character in fragment)


def space_scripts(text):
    """Put a space between a Chinese character and a Latin letter or digit beside it.

    >>> space_scripts("用NumPy写了3层")
    '用 NumPy 写了 3 层'
    """
    text = re.sub(rf"(?<=[{HAN}])(?=[{LATIN}])", " ", text)
    return re.sub(rf"(?<=[{LATIN}])(?=[{HAN}])", " ", text)
