"""Keeping freed memory in the process, for the many large temporary arrays of a training step."""

import ctypes
import sys

# mallopt's parameters, from glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def keep_freed_memory():
    """Ask glibc's malloc not to hand freed blocks back to the system; elsewhere do nothing. Return whether it was done.

    By default every array beyond some 100 KB is mapped anew and its pages are cleared again at first touch, which is a
    fifth of a training step of sora-base on one thread, and makes two threads as slow as one, since they queue for the
    process's memory map.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    largest = 2**31 - 1
    settings = ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, largest), (_M_ARENA_MAX, 1))
    return all(mallopt(name, value) == 1 for name, value in settings)
