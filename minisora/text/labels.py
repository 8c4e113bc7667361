"""Where each token lies in its text, and what to call it, when tokens are runs of UTF-8 bytes."""

from itertools import groupby, pairwise


def piece_offsets(text, lengths):
    """(start, stop) in characters of each token: all characters of which it holds a byte.

    Parameters
    ----------
    text : str
    lengths : list of int
        Bytes of each token; together they are the UTF-8 form of the text.
    """
    characters = [index for index, _, _ in _bytes_of(text)]
    return [(characters[start], characters[stop - 1] + 1) for start, stop in _cuts(lengths)]


def piece_labels(text, lengths):
    """The slice of the text that each token covers.

    A part of a character is shown as that character with the place of the part, counted from one: ``饕[1/3]`` is the
    first of its three bytes, ``饕[2-3/3]`` the other two.
    """
    spelt = _bytes_of(text)
    return [_label(text, spelt[start:stop]) for start, stop in _cuts(lengths)]


def _bytes_of(text):
    """(index of its character, place in it from 1, bytes of it) of every byte."""
    sizes = [len(character.encode()) for character in text]
    return [(index, place, size) for index, size in enumerate(sizes) for place in range(1, size + 1)]


def _cuts(lengths):
    """First byte and the one behind the last of each token."""
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    return pairwise(ends)


def _label(text, spelt):
    """The characters of a run of bytes, cut ones with their place."""
    parts = []
    for index, group in groupby(spelt, key=lambda byte: byte[0]):
        places = [place for _, place, _ in group]
        size = len(text[index].encode())
        first, last = places[0], places[-1]
        cut = f"[{first}/{size}]" if first == last else f"[{first}-{last}/{size}]"
        parts.append(text[index] + (cut if len(places) < size else ""))
    return "".join(parts)
