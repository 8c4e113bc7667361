"""Opponents that take turns: each in a process of its own, with its own threads and its own peak memory.

In one process, two libraries' thread pools would slow each other down and nobody could say whose memory it was. Here
one works while the others wait for their turn, so that a disturbance of the machine hits all of them alike.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import NamedTuple

from minisora.info import THREAD_VARIABLES

PR_SET_PDEATHSIG = 1  # of linux/prctl.h
PAUSE = 0.05  # seconds between turns: a pool that has just worked goes on spinning for a while


class Worker:
    """A process that prepares a task once, and runs it each time it is asked.

    Parameters
    ----------
    task : str
        ``"package.module:function"``; the function gets ``options`` as keyword arguments and returns the task, a
        function without arguments whose result can be put into JSON.
    options : dict
        Of plain values.
    threads : int
        For the libraries below Python, by the environment variables that they read when they are loaded.
    """

    def __init__(self, task, options, threads):
        environment = os.environ | {name: str(threads) for name in THREAD_VARIABLES}
        arguments = [sys.executable, "-m", "minisora.benchmarks.workers", task, json.dumps(options)]
        pipe = subprocess.PIPE
        self.task = task
        self._process = subprocess.Popen(arguments, env=environment, stdin=pipe, stdout=pipe, encoding="utf-8")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def run(self, at_least=0.0):
        """Let it run the task; return a dict: seconds, value, and peak_memory_mib of the process until now.

        With ``at_least`` seconds, it runs the task once without counting, after which caches and clocks are as in the
        midst of work, then again and again for that long; the seconds are the median of those runs.
        """
        try:
            self._process.stdin.write(f"{at_least}\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            raise ValueError(f"the process of {self.task} ended with code {code}; what it said stands above")
        return json.loads(line)


class Turns(NamedTuple):
    """What one opponent did."""

    seconds: float  # median over the rounds
    fastest: float
    slowest: float
    value: object  # of the last round
    peak_memory_mib: float | None


def take_turns(workers, rounds, *, warm_up=2, at_least=0.0):
    """Let the workers run by turns, ``warm_up`` rounds that do not count and ``rounds`` that do.

    Parameters
    ----------
    workers : dict of str to (task, options, threads)
        What `Worker` takes, by name.
    at_least : float
        Seconds of a turn, see `Worker.run`.

    Returns
    -------
    dict of str to Turns
    """
    replies = {name: [] for name in workers}
    with ExitStack() as stack:
        running = {name: stack.enter_context(Worker(*arguments)) for name, arguments in workers.items()}
        for _ in range(warm_up + rounds):
            for name, worker in running.items():
                replies[name].append(worker.run(at_least))
                time.sleep(PAUSE)
    return {name: _summary(turns[warm_up:]) for name, turns in replies.items()}


def _summary(replies):
    seconds = [reply["seconds"] for reply in replies]
    last = replies[-1]
    return Turns(median(seconds), min(seconds), max(seconds), last["value"], last["peak_memory_mib"])


def peak_memory_mib():
    """Largest resident set of this process so far, in MiB; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the process that started us held
        lines = status.read_text(encoding="utf-8").splitlines()
        peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
        return round(peaks[0] / 1024, 1) if peaks else None
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def forget_peak():
    """Let `peak_memory_mib` begin anew with what is held now, where the system can."""
    path = Path("/proc/self/clear_refs")
    if not path.exists():
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # what was freed goes back to the system, so that it is counted when it is needed again
        trim(0)
    path.write_text("5", encoding="utf-8")


def memory_beyond(run):
    """MiB of memory that a function needs at its peak beyond the arrays that it returns; None where nobody can tell.

    It is called twice: first for what is loaded and compiled once.
    """
    if not sys.platform.startswith("linux"):
        return None
    run()
    forget_peak()
    before = peak_memory_mib()
    result = run()
    return round(peak_memory_mib() - before - sum(array.nbytes for array in result) / 2**20, 1)


def main(name, options):
    """The other side of a Worker: prepare the task; for every line on standard input run it and reply in JSON."""
    end_with_parent()
    replies, sys.stdout = sys.stdout, sys.stderr  # whatever else prints must not get between the replies
    module, _, function = name.partition(":")
    task = getattr(import_module(module), function)(**json.loads(options))
    for line in sys.stdin:
        seconds, value = timed(task, float(line))
        reply = {"seconds": seconds, "value": value, "peak_memory_mib": peak_memory_mib()}
        print(json.dumps(reply), file=replies, flush=True)


def end_with_parent():
    """Let the process that started this one decide when it ends: Ctrl-C is for that one, and its end is ours."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def timed(task, at_least):
    """Run a task as `Worker.run` describes; return seconds and the last value."""
    if at_least:
        task()
    times, end = [], time.perf_counter() + at_least
    while not times or time.perf_counter() < end:
        begin = time.perf_counter()
        value = task()
        times.append(time.perf_counter() - begin)
    return median(times), value


if __name__ == "__main__":
    main(*sys.argv[1:])
