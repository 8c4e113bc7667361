"""Pairs of a source and its target in files: TSV (``source<TAB>target``) and JSONL (one object a line)."""

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path


def read_pairs(path):
    """Read a file of pairs, whole and in order.

    Parameters
    ----------
    path : str or path-like
        Ends in ``.tsv``: UTF-8 lines of a source, a tab and a target; or in ``.jsonl``: UTF-8 lines of one JSON
        object with the strings ``source`` and ``target`` (what else it holds is left alone).

    Returns
    -------
    list of (str, str)

    Raises
    ------
    ValueError
        For the first line that is not a pair, with the file and the number of the line. No line is skipped, not even
        an empty one.
    """
    path = Path(path)
    parse = _parser(path)
    lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if lines[-1] == b"":  # after the last line break
        lines.pop()
    if not lines:
        raise ValueError(f"{path}: expected at least one line, got an empty file")
    pairs = []
    for number, line in enumerate(lines, 1):
        try:
            pairs.append(_checked(*parse(line.removesuffix(b"\r").decode())))
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}:{number}: expected UTF-8, got the byte {line[error.start]:#04x}") from error
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from error
    return pairs


def write_pairs(path, pairs):
    """Write pairs, or examples, to a ``.tsv`` or ``.jsonl`` file that :func:`read_pairs` reads back unchanged.

    Parameters
    ----------
    path : str or path-like
    pairs : iterable of (str, str) or Example
        JSONL keeps all fields of an example.

    Raises
    ------
    ValueError
        If a pair cannot be written so that it is read back: an empty side, a lone surrogate, or in TSV a tab or a
        line break.
    """
    path = Path(path)
    write = _write_tsv if _parser(path) is _parse_tsv else _write_jsonl
    part = path.with_name(path.name + ".part")  # so that a failure leaves neither half a file nor the old one lost
    try:
        with open(part, "w", encoding="utf-8", newline="\n") as file:
            for number, pair in enumerate(pairs, 1):
                file.write(_line(write, pair, f"{path}:{number}") + "\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _line(write, pair, place):
    try:
        return write(pair)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _parser(path):
    parsers = {".tsv": _parse_tsv, ".jsonl": _parse_jsonl}
    if path.suffix not in parsers:
        raise ValueError(f"{path}: expected a file name that ends in .tsv or .jsonl, got {path.suffix!r}")
    return parsers[path.suffix]


def _parse_tsv(line):
    sides = line.split("\t")
    if len(sides) != 2:
        raise ValueError(f"expected source<TAB>target, got {len(sides) - 1} tabs")
    return sides


def _parse_jsonl(line):
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected a JSON object, got an error at column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise ValueError("expected a JSON object, got one nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {type(value).__name__}")
    for key in ("source", "target"):
        if not isinstance(value.get(key), str):
            raise ValueError(f"expected a string under {key!r}, got {value.get(key, 'nothing')!r}")
    return value["source"], value["target"]


def _checked(source, target):
    for name, text in (("source", source), ("target", target)):
        if not text:
            raise ValueError(f"expected a {name} of at least one character, got none")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError(f"expected Unicode text, got a lone surrogate in the {name}")
    return source, target


def _write_tsv(pair):
    sides = _checked(*_sides(pair))
    for text in sides:
        if any(mark in text for mark in "\t\n\r"):
            raise ValueError(f"expected no tab and no line break in TSV (JSONL can hold them), got {text!r}")
    return "\t".join(sides)


def _write_jsonl(pair):
    source, target = _checked(*_sides(pair))
    fields = asdict(pair) if is_dataclass(pair) else {"source": source, "target": target}
    return json.dumps(fields, ensure_ascii=False)


def _sides(pair):
    return (pair.source, pair.target) if is_dataclass(pair) else pair
