"""Words that say little, and a text without them.

The lists are short and our own: function words of Chinese and English. Nothing is removed unless somebody asks for it,
since an answer without 不 or "not" is another answer; neither of these is in the lists. Nor are 地, 都, 就, 太 and the
like: without a segmenter they would be cut out of 地方, 首都, 就业 and 太阳.
"""

import re
from pathlib import Path

from minisora.text.runs import HAN

STOP_WORDS = {
    "zh": frozenset("的 了 吗 呢 吧 啊 呀 嘛 哦 嗯 呃 哎 也 很 真的 其实 那个 这个 就是".split()),
    "en": frozenset(
        "a an the of to in on at by for with from as and or but so is are was were be been being it its this that "
        "these those there then than just very really well oh um uh".split()
    ),
}
WORD = re.compile(rf"[{HAN}]+|[^\W{HAN}]+(?:['’-][^\W{HAN}]+)*|.", re.DOTALL)  # it's, well-known, A4: one word


def remove_stop_words(text, stop_words, segment=None):
    """The text without the stop words in it.

    Parameters
    ----------
    text : str
    stop_words : collection of str
        English ones in lower case; they are found in any case.
    segment : function of str, optional
        The words of a run of Chinese characters, such as `words_by` gives of a tokenizer. None: each character is a
        word, so 目的 loses its 的; a stop word of several characters is found as it stands.
    """
    kept, first = [], False
    for word in _words(text, stop_words, segment):
        if word.casefold() in stop_words:
            first = first or not kept
            if kept and kept[-1] == " ":  # of the two spaces around it, one goes too
                kept.pop()
        elif kept or not (first and word == " "):
            kept.append(word)
    return "".join(kept)


def _words(text, stop_words, segment):
    """The text in words, which joined are the text."""
    longer = sorted((word for word in stop_words if len(word) > 1), key=len, reverse=True)
    pieces = re.compile("|".join([*map(re.escape, longer), "."]), re.DOTALL)
    for word in WORD.findall(text):
        if re.match(f"[{HAN}]", word):
            yield from pieces.findall(word) if segment is None else segment(word)
        else:
            yield word


def words_by(tokenizer):
    """A function that cuts a run of Chinese characters where a tokenizer of kind ``"words"`` cuts it.

    A character that the tokenizer spells in bytes is one word. Normalisation makes one Chinese character of one, so
    that the places in the normalised run are those in the run.
    """

    def segment(run):
        places = dict.fromkeys(tokenizer.offsets(run))  # the bytes of a character share its place
        return [run[start:stop] for start, stop in places]

    return segment


def read_stop_words(name_or_file):
    """The list of a language, ``"zh"`` or ``"en"``, or the words of a UTF-8 file, one a line; ``#`` begins a remark."""
    if name_or_file in STOP_WORDS:
        return STOP_WORDS[name_or_file]
    try:
        lines = Path(name_or_file).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ValueError(f"expected zh, en or a file of stop words, got {str(name_or_file)!r}: {reason}") from None
    words = (line.partition("#")[0].strip().casefold() for line in lines)
    return frozenset(word for word in words if word)
