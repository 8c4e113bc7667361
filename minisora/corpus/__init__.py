"""The self-written Chinese corpus: a seeded stream of questions with their right answers, and held-out splits.

>>> from minisora.corpus import example
>>> drawn = example(seed=0, index=6)
>>> drawn.source
'城市=杭州;日期=周五;天气=大雪;气温=-13|周五杭州出门要带伞吗？谢谢啦！'
>>> drawn.target
'周五杭州有大雪，建议带伞。'
"""

from minisora.corpus.files import read_pairs, write_pairs
from minisora.corpus.renaming import renamed
from minisora.corpus.scoring import generation_score
from minisora.corpus.sets import alphabet, faq_set, test_set, train_sample
from minisora.corpus.source import build_source, escape, parse_source, unescape
from minisora.corpus.splits import SPLITS
from minisora.corpus.stream import Example, example, stream

__all__ = [
    "SPLITS",
    "Example",
    "alphabet",
    "build_source",
    "escape",
    "example",
    "faq_set",
    "generation_score",
    "parse_source",
    "read_pairs",
    "renamed",
    "stream",
    "test_set",
    "train_sample",
    "unescape",
    "write_pairs",
]
