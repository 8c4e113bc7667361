"""A font with Chinese for figures, shipped with the package: no figure depends on what the machine has installed."""

from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unicodedata import category

import matplotlib as mpl
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

FONT = Path(__file__).parent / "fonts" / "MinisoraSansSC.otf"
FAMILIES = ["Minisora Sans SC", "DejaVu Sans"]  # the second is matplotlib's own and has signs that the first lacks
SIGNS = {"\n": "↵", "\r": "↵", "\t": "⇥"}
UNSEEN = {
    "Cc",
    "Cf",
    "Co",
    "Cn",
    "Cs",
    "Zl",
    "Zp",
}  # categories without a shape of their own: controls, surrogates, ...


@contextmanager
def chinese_font():
    """Within it, new texts of figures have a font with Chinese; matplotlib's settings are then as they were.

    A text keeps its font, so the figure may be drawn later. Also a decorator. A token, which may hold a ``$``, wants
    ``parse_math=False`` beside.
    """
    _add()
    with mpl.rc_context({"font.family": FAMILIES}):
        yield


@cache
def _add():
    fontManager.addfont(FONT)


def printable(label):
    """Return a token's text as a label on one line in which every character has a shape.

    Line ends and tabs become signs, and so do spaces at the edges; what no font of this package has, or what cannot be
    seen, becomes its code, such as [U+9F98].

    Parameters
    ----------
    label : str
    """
    if not isinstance(label, str):
        raise ValueError(f"a label is expected as a str, got {type(label).__name__}: {label!r}")
    inner = label.strip(" ")
    start = len(label) - len(label.lstrip(" "))
    edges = "␣" * start, "␣" * (len(label) - len(inner) - start)
    return edges[0] + "".join(map(_shape, inner)) + edges[1]


def _shape(character):
    if character in SIGNS:
        return SIGNS[character]
    if category(character) in UNSEEN or ord(character) not in _covered():
        return f"[U+{ord(character):04X}]"
    return character


@cache
def _covered():
    """The code points that the two fonts have a glyph for."""
    _add()
    paths = [findfont(FontProperties(family=name), fallback_to_default=False) for name in FAMILIES]
    return frozenset().union(*(get_font(path).get_charmap() for path in paths))
