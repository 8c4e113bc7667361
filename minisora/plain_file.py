"""Files that strangers wrote: opened only where they are plain, and never more of them read than was agreed.

A link could lead anywhere, a pipe would wait for ever, a device never ends. The one place for links is the hub's cache,
which keeps each content once, in ``blobs``, and links to it from the revisions in ``snapshots``.
"""

import os
import stat
from pathlib import Path


class CheckpointError(ValueError):
    """A file of a model or a training cannot be used; the message says in one sentence which and why."""


def open_plain(path):
    """Open a file for reading bytes.

    Raises
    ------
    CheckpointError
        When it is missing, cannot be read, is no regular file, or is a link that leads out of the hub's cache.
    """
    path = Path(path)
    flags = os.O_RDONLY
    for name in ("O_BINARY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"):  # each where the platform has it
        flags |= getattr(os, name, 0)
    try:
        handle = os.open(_without_link(path), flags)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise unreadable(path, error) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise CheckpointError(f"{path} is not a regular file")
    return os.fdopen(handle, "rb")


def read_plain(path, most):
    """The text of a UTF-8 file of at most ``most`` bytes; None where there is no such file."""
    try:
        if not os.path.lexists(path):
            return None
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise CheckpointError(f"{path} has more than {most} bytes")
            return file.read(size).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from None


def unreadable(path, error):
    """The CheckpointError that says so."""
    return CheckpointError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}")


def _without_link(path):
    """The path itself, or what it links to where that lies among the blobs of the same model in the hub's cache."""
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    revisions = path.absolute().parent.parent
    if revisions.name == "snapshots" and target.parent == Path(os.path.realpath(revisions.parent)) / "blobs":
        return target
    raise CheckpointError(f"{path} is a link, which only the hub's cache may hold")
