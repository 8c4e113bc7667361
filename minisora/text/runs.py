"""Where words cannot cross: a text as runs of Chinese characters, runs of other letters, and single characters.

A word of one script does not go on in another, nor across a space or a full stop, so a segmenter may take one run after
another (SentencePiece does the same under the name ``split_by_unicode_script``). A digit stands alone: a number is what
its digits say, and a model that adds should see them.
"""

import re

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
RUN = re.compile(rf"[{HAN}]+|[^\W\d_{HAN}]+|.", re.DOTALL)


def split_runs(text):
    """The runs of a text; joined, they are the text.

    >>> split_runs("今天 30°C，good")
    ['今天', ' ', '3', '0', '°', 'C', '，', 'good']
    """
    return RUN.findall(text)
