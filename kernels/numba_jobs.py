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


@intrinsic
def _set(context, address, value):
    """Write an integer of 64 bits to an address; all threads write the same one."""

    def emit(_, builder, __, arguments):
        builder.store(arguments[1], builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))
        return arguments[1]

    return types.int64(types.int64, types.int64), emit


@njit
def jobs(progress, count):
    """Yield the jobs of 0 .. count - 1 that no other thread was given.

    progress is the address of three integers: how many jobs are begun, done, in all. It is not the array, since a
    generator of Numba never lets go of an array that it was given.
    """
    begun = np.int64(progress)
    _set(begun + 16, np.int64(count))
    job = _raise(begun)
    while job < count:
        yield job
        _raise(begun + 8)
        job = _raise(begun)
