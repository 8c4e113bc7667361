"""What benchmarks on a GPU share: time by the device's own events, turns, and what the device can do at most.

CuPy and PyTorch queue their work on the same stream, CUDA's default one, so the same two events enclose the work of
either. The host waits after the second event only: what counts is the device's time, and the host's where it cannot
keep the device busy.
"""

from math import ceil
from statistics import median
from typing import NamedTuple

import click
import numpy as np

COPIED = 1 << 28  # floats: 1 GiB, more than any cache holds
SIDE = 8192  # of the matrices of a product


class Timing(NamedTuple):
    """Seconds of one run: over the turns, each with the mean of its runs."""

    seconds: float  # median
    fastest: float
    slowest: float


def require_gpu():
    """Return the module ``cupy``, or end the command in a sentence that says what is missing."""
    try:
        import cupy
    except ImportError:
        raise click.UsageError("CuPy is not installed: pip install 'minisora[cuda12]' or 'minisora[cuda13]'") from None
    if not cupy.is_available():
        raise click.UsageError("this benchmark needs an NVIDIA GPU, and CuPy finds none")
    return cupy


def describe():
    """Return what a time depends on: the GPU's name, memory, multiprocessors, architecture, and CUDA's versions."""
    runtime = require_gpu().cuda.runtime
    properties = runtime.getDeviceProperties(runtime.getDevice())
    return {
        "name": properties["name"].decode(),
        "memory_gib": round(properties["totalGlobalMem"] / 2**30, 1),
        "multiprocessors": properties["multiProcessorCount"],
        "architecture": f"sm_{properties['major']}{properties['minor']}",
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
    }


def take_turns(sides, rounds, at_least):
    """Let the sides run by turns, after one run of each that compiles and another that tells how long it takes.

    Parameters
    ----------
    sides : dict of str to function
        Each is called with a number, and queues as many runs.
    rounds : int
        Turns of each side.
    at_least : float
        Seconds that a turn is to last: as many runs as fill them.

    Returns
    -------
    dict of str to Timing
    """
    repeats = {}
    for name, runs in sides.items():
        seconds(runs, 1)
        repeats[name] = max(1, ceil(at_least / seconds(runs, 1)))
    turns = [{name: seconds(runs, repeats[name]) for name, runs in sides.items()} for _ in range(rounds)]
    times = {name: [turn[name] for turn in turns] for name in sides}
    return {name: Timing(median(values), min(values), max(values)) for name, values in times.items()}


def seconds(runs, repeat):
    """Return the seconds of one run, when ``repeat`` of them are queued between two events."""
    cuda = require_gpu().cuda
    begin, end = cuda.Event(), cuda.Event()
    begin.record()
    runs(repeat)
    end.record()
    end.synchronize()
    return cuda.get_elapsed_time(begin, end) / 1000 / repeat


def repeated(run):
    """Return a side of `take_turns` from a function without arguments."""

    def runs(repeat):
        for _ in range(repeat):
            run()

    return runs


def ceilings(rounds, at_least, with_torch, side=SIDE, copied=COPIED):
    """Return what the device reaches at most: ``copy_gb_s`` read and written, and TFLOP/s of products by type.

    The products are cuBLAS's; that in TF32, which only torch offers by a public switch, needs torch.
    """
    xp = require_gpu()
    source = xp.zeros(copied, "float32")
    sides = {"copy": repeated(source.copy)}
    random = np.random.default_rng(0).standard_normal((side, side), np.float32)  # equal values would take less power
    for dtype in ("float32", "float16"):
        matrix = xp.asarray(random).astype(dtype)
        sides[dtype] = repeated(lambda matrix=matrix: matrix @ matrix)
    if with_torch:
        sides["tf32"] = _product_in_tf32(random)
    times = take_turns(sides, rounds, at_least)
    rates = {name: 2 * side**3 / timing.seconds / 1e12 for name, timing in times.items() if name != "copy"}
    return {"copy_gb_s": 2 * source.nbytes / times["copy"].seconds / 1e9, "product_tflops": rates}


def _product_in_tf32(random):
    import torch

    matrix = torch.from_numpy(random).to("cuda")

    def runs(repeat):
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = True
        for _ in range(repeat):
            matrix @ matrix
        torch.backends.cuda.matmul.allow_tf32 = before

    return runs
