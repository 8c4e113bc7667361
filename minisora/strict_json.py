"""JSON from strangers: what programs read in different ways, or what grows when it is read, is refused."""

import json

DEEPEST = 16  # levels of lists and objects; ours have five
MOST = 1 << 20  # values: each takes some fifty bytes of memory, and two in the file


def strict_json(text, *, nan=False):
    """json.loads, but ValueError where an object has the same key twice, or there are too many levels or values.

    Parameters
    ----------
    text : str
    nan : bool
        Whether NaN and Infinity, which are no JSON, are taken.
    """
    if sum(map(text.count, ",[{")) > MOST:
        raise ValueError(f"it has more than {MOST} values")
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=float if nan else _no_constant)
    except RecursionError:
        raise ValueError("it nests too deep") from None
    _check_depth(value)
    return value


def _no_duplicates(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError("the same key occurs twice")
    return dict(pairs)


def _no_constant(name):
    raise ValueError(f"{name} is no JSON")


def _check_depth(value):
    """Level by level: whatever reads the value afterwards may recurse."""
    level = [value]
    for _ in range(DEEPEST):
        level = [part for holder in level for part in _inside(holder) if isinstance(part, list | dict)]
    if level:
        raise ValueError("it nests too deep")


def _inside(holder):
    return holder.values() if isinstance(holder, dict) else holder if isinstance(holder, list) else ()
