"""What may be said of an error in a log: where it happened, never what it says, since that may quote what was asked."""

import traceback
from pathlib import Path


def place_of(error):
    """The kind of an exception, and the file and line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
