"""The threads that kernels share their jobs among: Python's own, since a compiled kernel lets go of the interpreter.

A kernel is called by every thread with the same arguments, and asks for one job after another (`jobs`), so that a
thread that wakes late, or meets longer jobs, does fewer. A job writes to places of its own: which thread does it has no
influence on the numbers. There is no second pool of threads that spins while NumPy's BLAS works, and whoever runs
several models at once, a shard each, gives every one of them a single thread (`at_most`).
"""

import os
import threading
import time
from contextlib import contextmanager
from operator import index
from queue import SimpleQueue

import numpy as np

VARIABLE = "MINISORA_NUM_THREADS"
_WORTH = 100_000  # nanoseconds of work for which it pays to wake one more thread
_here = threading.local()
_queues = []  # of each helper; after a fork, the child has none of them
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_queues.clear)


def usable_cores():
    """Return the number of cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def num_threads():
    """Return among how many threads a kernel that is called here shares its jobs.

    All usable cores, or what the environment variable MINISORA_NUM_THREADS says, or less inside `at_most`.
    """
    return min(_from_environment(), getattr(_here, "limit", None) or _from_environment())


def _from_environment():
    text = os.environ.get(VARIABLE)
    if text is None:
        return usable_cores()
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{VARIABLE} is expected to be a positive integer, got {text!r}")
    return int(text)


@contextmanager
def at_most(count):
    """Within this block, kernels that this thread calls use no more than ``count`` threads."""
    if index(count) < 1:
        raise ValueError(f"a number of threads is expected to be positive, got {count}")
    before = getattr(_here, "limit", None)
    _here.limit = count if before is None else min(count, before)
    try:
        yield
    finally:
        _here.limit = before


def share(kernel, cost, *arguments):
    """Let a kernel do its jobs, on as many threads as are worth it.

    Parameters
    ----------
    kernel : callable
        ``kernel(progress, *arguments)``, which takes its jobs from `minisora.kernels.numba_jobs.jobs`.
    cost : float
        What all of them take on one thread, in nanoseconds, roughly.
    """
    progress = np.zeros(3, np.int64)  # jobs begun, jobs done, jobs
    errors, returned = [], SimpleQueue()
    helpers = _helpers(min(num_threads() - 1, int(cost) // _WORTH))
    for queue in helpers:
        queue.put((kernel, progress, arguments, errors, returned))
    try:
        kernel(progress, *arguments)
    except BaseException as error:
        errors.append(error)
    while progress[1] < progress[2] and not errors:
        time.sleep(0)
    if errors:
        for _ in helpers:  # so that nobody writes into the arguments any more
            returned.get()
        raise errors[0]


def _helpers(count):
    """Return the queues of this many helpers, which are started when they are needed first."""
    while len(_queues) < count:
        queue = SimpleQueue()
        threading.Thread(target=_help, args=(queue,), name=f"minisora-kernel-{len(_queues)}", daemon=True).start()
        _queues.append(queue)
    return _queues[: max(0, count)]


def _help(queue):
    while True:
        kernel, progress, arguments, errors, returned = queue.get()
        try:
            kernel(progress, *arguments)
        except BaseException as error:
            errors.append(error)
        returned.put(None)
        del kernel, progress, arguments, errors, returned  # nothing is kept alive while it waits
