"""Different spellings of one text made the same, for those who ask for it: it cannot be undone.

``nfkc`` is Unicode's compatibility composition (UAX 15): full-width letters, ligatures, circled digits and composed
accents take one form each, and ``？`` becomes ``?``. ``width`` folds full-width and half-width forms alone, ``Ａ`` to
``A`` and ``ｱ`` to ``ア``.
"""

import reprlib
import unicodedata
from functools import cache

FORMS = ("nfkc", "width")


def normalize(text, form):
    """The text in the form ``"nfkc"`` or ``"width"``; the text itself where form is None."""
    if form is None:
        return text
    return unicodedata.normalize("NFKC", text) if form == "nfkc" else text.translate(_widths())


def check_form(form):
    """Raise ValueError unless form is the name of a normalisation, or None."""
    if form is not None and form not in FORMS:
        raise ValueError(f"normalization must be None, 'nfkc' or 'width', got {reprlib.repr(form)}")


@cache
def _widths():
    """Code point to code point of all that Unicode calls wide or narrow forms: U+3000 and the block at U+FF00."""
    table = {}
    for code in (0x3000, *range(0xFF00, 0xFFF0)):
        tag, _, ordinary = unicodedata.decomposition(chr(code)).partition(" ")
        if tag in ("<wide>", "<narrow>"):
            table[code] = int(ordinary, 16)
    return table
