"""Writing files so that a crash, at whatever moment, costs nothing that was there before.

A reader sees the old content or the new one, never a part: content goes to a temporary name, is synced to the disk, and
takes its final name by one rename. The folder that holds the name is synced too, where the platform lets a folder be
opened.
"""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path


def write_file(path, data):
    """Write bytes and sync them. The mode is what umask leaves of 0666, as for any file a user makes."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def copy_file(source, path):
    """Write what is left in an open file to another, and sync it."""
    with open(path, "wb") as file:
        shutil.copyfileobj(source, file)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path, data):
    """Write bytes to ``path`` at once: a reader finds the old content or the new."""
    path = Path(path)
    temporary = _temporary(path)
    try:
        write_file(temporary, data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def new_folder(path):
    """A temporary folder to write files into: it becomes ``path`` when the block ends well, else it vanishes.

    A folder that is already there under the name is replaced; it goes only once the new one is complete.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    shutil.rmtree(temporary, ignore_errors=True)  # left behind by a killed process that had our id
    temporary.mkdir()
    try:
        yield temporary
        sync_folder(temporary)
        remove_folder(path)
        os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(path.parent)


def remove_folder(path):
    """Delete a folder, if it is there; it loses its name first, so that no half of it can be taken for the whole."""
    path = Path(path)
    if path.exists():
        doomed = _temporary(path, "old")
        shutil.rmtree(doomed, ignore_errors=True)
        os.rename(path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def remove_leftovers(folder):
    """Delete the temporary files and folders that a killed process left in ``folder``."""
    for path in Path(folder).glob(".*.*.*"):
        if path.suffix in (".tmp", ".old"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def sync_folder(path):
    """Make the names in a folder durable; nothing to do where folders cannot be opened (Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _temporary(path, suffix="tmp"):
    """Beside the final name, hence on the same file system; hidden; our own while other processes write too."""
    return path.with_name(f".{path.name}.{os.getpid()}.{suffix}")
