"""The units that occur in texts, by how often they do."""

from collections import Counter


def frequent_units(texts, split, min_count, room):
    """Sorted units that occur at least min_count times; where room is short, the most frequent of them.

    Parameters
    ----------
    texts : iterable of str
    split : function of str
        The units of one text.
    min_count : int
    room : int or None
        How many there may be. Among those of one count, the first in the order of their code points stay.
    """
    counts = Counter()
    for text in texts:
        counts.update(split(text))
    units = sorted(unit for unit, count in counts.items() if count >= min_count)
    return sorted(sorted(units, key=lambda unit: -counts[unit])[:room])
