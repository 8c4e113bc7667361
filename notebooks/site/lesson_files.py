"""Which files are notebooks, in the order in which they are read."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1]


def sources():
    """The percent .py of every notebook: the first look, the numbered lessons, the applications."""
    first, lessons = FOLDER / "first_look.py", sorted(FOLDER.glob("[0-9][0-9]_*.py"))
    return [first, *lessons, *sorted((FOLDER / "applications").glob("*.py"))]


def title(source):
    """The first heading of a percent .py."""
    return re.search(r"^# # (.*)$", source.read_text(encoding="utf-8"), re.MULTILINE).group(1)
