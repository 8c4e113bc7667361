r"""The text a model reads: facts and turns in one line, ``key=value;key=value|turn|turn``.

The characters with a meaning (``;``, ``=``, ``|`` and the backslash itself) are written with a backslash before them
inside a key, a value or a turn, so that any text goes in and comes out unchanged.
"""

import re

_ESCAPED = re.compile(r"\\([\\;=|])")
_MARK = re.compile(r"([\\;=|])")
_WELL_ESCAPED = re.compile(r"(?:[^\\]|\\[\\;=|])*")


def escape(text):
    """Put a backslash before every mark in a key, a value or a turn."""
    if text.isalnum():  # most keys and values; asking is faster than substituting
        return text
    return _MARK.sub(r"\\\1", text)


def unescape(text):
    """Undo :func:`escape`.

    Raises
    ------
    ValueError
        If a backslash stands before anything but ``\\``, ``;``, ``=`` or ``|``.
    """
    end = _WELL_ESCAPED.match(text).end()
    if end < len(text):
        raise ValueError(rf"expected a backslash only before \, ;, = or |, got {text[end : end + 2]!r} at index {end}")
    return _ESCAPED.sub(r"\1", text)


def build_source(context, *turns):
    """Join facts and turns into one source.

    Parameters
    ----------
    context : dict of str to str
        The facts; may be empty.
    *turns : str
        What the user says, at least one turn, the last one to be answered.

    Raises
    ------
    ValueError
        If there is no turn.

    Examples
    --------
    >>> build_source({"城市": "北京", "天气": "小雨"}, "北京要带伞吗？")
    '城市=北京;天气=小雨|北京要带伞吗？'
    """
    if not turns:
        raise ValueError("expected at least one turn, got none")
    facts = ";".join(f"{escape(key)}={escape(value)}" for key, value in context.items())
    parts = [escape(turn) for turn in turns]
    return "|".join([facts, *parts] if facts else parts)


def parse_source(source):
    """Take a source apart again: the inverse of :func:`build_source`.

    Returns
    -------
    context : dict of str to str
    turns : tuple of str

    Raises
    ------
    ValueError
        If the source cannot have come from :func:`build_source`.
    """
    first, *rest = _split(source, "|")
    if len(_split(first, "=")) == 1:
        return {}, tuple(_turn(part) for part in [first, *rest])
    if not rest:
        raise ValueError(f"expected a turn after the facts, got only the facts {first!r}")
    context = {}
    for fact in _split(first, ";"):
        sides = _split(fact, "=")
        if len(sides) != 2:
            raise ValueError(f"expected a fact written key=value, got {fact!r}")
        key, value = map(unescape, sides)
        if key in context:
            raise ValueError(f"expected each key once, got {key!r} twice")
        context[key] = value
    return context, tuple(_turn(part) for part in rest)


def _turn(part):
    if any(len(_split(part, mark)) > 1 for mark in ";="):
        raise ValueError(f"expected ; and = in a turn to follow a backslash, got {part!r}")
    return unescape(part)


def _split(text, mark):
    """Split at the marks that no backslash protects."""
    parts, start, i = [], 0, 0
    while i < len(text):
        if text[i] == mark:
            parts.append(text[start:i])
            start = i + 1
        i += 2 if text[i] == "\\" else 1
    return [*parts, text[start:]]
