"""How a kernel is run: compiled on first use, which is said when it takes long, and its jobs shared among threads."""

import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from minisora.kernels.threads import share

# Of every kernel: it lets go of the interpreter, is kept on disk, and a division by zero gives what NumPy's gives
KERNEL = {"nogil": True, "cache": True, "error_model": "numpy"}
FAST = {"reassoc", "contract", "nsz"}  # sums may be taken in vectors; NaN and infinity keep their meaning
_PATIENCE = 1.0  # seconds
_known = set()


def drop_stale(folder):
    """Delete what Numba keeps on disk for the kernels in a folder, if any of their sources has changed since.

    Numba itself looks at the file of a compiled function, but not at those of the functions that are compiled into it.
    """
    sources = ((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in folder.glob("numba_*.py"))
    stamp, noted = repr(sorted(sources)), folder / "__pycache__" / "kernels.stamp"
    with suppress(OSError):  # a folder that cannot be written to does not change either
        if noted.exists() and noted.read_text(encoding="utf-8") == stamp:
            return
        for kept in noted.parent.glob("*.nb[ic]"):
            kept.unlink(missing_ok=True)
        noted.parent.mkdir(exist_ok=True)
        noted.write_text(stamp, encoding="utf-8")


drop_stale(Path(__file__).parent)


def launch(name, kernel, dtype, cost, *arguments):
    """Let a kernel do its jobs, as `minisora.kernels.threads.share` does; compile it first, where this is new."""
    with announced(name, dtype, kernel):
        share(kernel, cost, *arguments)


@contextmanager
def announced(name, dtype, kernel):
    """Run a kernel; where its first call for a dtype has been compiling for a second, say so on stderr."""
    if (name, dtype) in _known:
        yield
        return
    _known.add((name, dtype))  # at once: whoever calls it beside us need not say it again
    done = Event()
    Thread(target=_watch, args=(name, dtype, kernel, _compilations(kernel), done), daemon=True).start()
    try:
        yield
    except BaseException:
        _known.discard((name, dtype))
        raise
    finally:
        done.set()


def _watch(name, dtype, kernel, before, done):
    """Say, once, that a kernel is being compiled, if it is, and not just being read from disk."""
    while not done.wait(_PATIENCE):
        if _compilations(kernel) > before:
            text = f"minisora: compiling the kernel {name} for {dtype}; it is kept on disk for the next time"
            print(text, file=sys.stderr)
            return


def _compilations(kernel):
    """How often a kernel was not found on disk and had to be compiled in this process."""
    return sum(kernel.stats.cache_misses.values())
