"""Compiling on first use: said when it takes long, so that nobody thinks that the program hangs."""

import sys
from contextlib import contextmanager
from threading import Timer

_PATIENCE = 1.0  # seconds
_known = set()


@contextmanager
def announced(name, dtype):
    """Run a kernel; where its first call for a dtype takes more than a second, say on stderr why."""
    if (name, dtype) in _known:
        yield
        return
    text = f"minisora: compiling the kernel {name} for {dtype}; it is kept on disk for the next time"
    timer = Timer(_PATIENCE, print, args=(text,), kwargs={"file": sys.stderr})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    _known.add((name, dtype))
