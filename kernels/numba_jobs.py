"""How a compiled kernel gets its jobs: from a counter that all threads raise, one at a time."""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic


@intrinsic
def _raise(context, address):
    """Add 1 to the integer of 64 bits at an address, as one indivisible step; return what it was before."""

    def emit(_, builder, __, arguments):
        place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", place, ir.IntType(64)(1), "seq_cst")

    return types.int64(types.int64), emit


@njit
def jobs(progress, count):
    """Yield the jobs of 0 .. count - 1 that no other thread was given; progress: how many are begun, done, in all."""
    progress[2] = count
    begun = np.int64(progress.ctypes.data)
    job = _raise(begun)
    while job < count:
        yield job
        _raise(begun + 8)
        job = _raise(begun)
