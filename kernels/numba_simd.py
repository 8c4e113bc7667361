"""The one place where vectors are written by hand: a micro-kernel for products, in the compiler's own language (LLVM).

``multiply_add(c, a, b, rows, count)`` adds a b to c, for blocks that fit the nearest caches::

    c[i, j] += sum_k a[i, k] * b[k, j]      i < rows, k < count, j < width

The sums of six rows times four vectors stay in registers while k runs: for each k, four vectors of b are read, and each
of six numbers of a is spread over a vector and multiplied in. That is all that a matrix product needs to run as fast as
the processor can. c and b are as wide as `width`, rows with equal strides; a may lie transposed, any stride will do.

A vector has 64 bytes: 16 float32 or 8 float64. Where the processor's are shorter, LLVM cuts them into pieces, which is
right everywhere, and fast where there are 64 bytes.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

_BYTES, _VECTORS, _ROWS = 64, 4, 6  # of a vector, of a row of c, of c in registers: 24 vectors, 4 for b, 1 for a
_WORD = ir.IntType(64)
_REAL = {types.float32: (ir.FloatType(), 4), types.float64: (ir.DoubleType(), 8)}


def width(dtype):
    """Return how many columns a block has: 64 float32 or 32 float64."""
    return _BYTES * _VECTORS // np.dtype(dtype).itemsize


def _micro_kernel(rows, real):
    """Return the intrinsic for this many rows: addresses of c, a and b, strides in bytes, and how many k there are."""

    @intrinsic
    def kernel(context, c, c_row, a, a_row, a_step, b, b_step, count):
        signature = types.void(*[types.int64] * 8)
        return signature, lambda _, builder, __, arguments: _emit(builder, rows, real, *arguments)

    return kernel


def _emit(builder, rows, real, c, c_row, a, a_row, a_step, b, b_step, count):
    """Emit: sums = c; for k in range(count): sums += spread(a[:, k]) * b[k]; c = sums."""
    scalar, size = _REAL[real]
    vector = ir.VectorType(scalar, _BYTES // size)
    places = [[_offset(builder, c, c_row, i, j) for j in range(_VECTORS)] for i in range(rows)]
    sums = [_load(builder, place, vector, size) for line in places for place in line]

    def step(k, sums):
        row_of_b = builder.add(b, builder.mul(k, b_step))
        column_of_a = builder.add(a, builder.mul(k, a_step))
        vectors = [_load(builder, _offset(builder, row_of_b, _WORD(0), 0, j), vector, size) for j in range(_VECTORS)]
        result = []
        for i in range(rows):
            number = _load(builder, _offset(builder, column_of_a, a_row, i, 0), scalar, size)
            spread = _spread(builder, number, vector)
            result += [_fma(builder, spread, v, sums[i * _VECTORS + j], vector) for j, v in enumerate(vectors)]
        return result

    sums = _loop(builder, count, sums, step)
    for place, total in zip([place for line in places for place in line], sums, strict=True):
        builder.store(total, builder.inttoptr(place, vector.as_pointer()), align=size)
    return ir.Constant(ir.IntType(8).as_pointer(), None)


def _offset(builder, base, stride, i, j):
    """base + i * stride + j vectors."""
    return builder.add(base, builder.add(builder.mul(stride, _WORD(i)), _WORD(j * _BYTES)))


def _load(builder, address, kind, size):
    return builder.load(builder.inttoptr(address, kind.as_pointer()), typ=kind, align=size)


def _spread(builder, number, vector):
    """A vector of nothing but this number."""
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, number, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(one, undefined, zeros)


def _fma(builder, x, y, z, vector):
    """x * y + z, rounded once."""
    name = f"llvm.fma.v{vector.count}{'f32' if isinstance(vector.element, ir.FloatType) else 'f64'}"
    known = builder.module.globals
    function = (
        known[name] if name in known else ir.Function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
    )
    return builder.call(function, [x, y, z])


def _loop(builder, count, values, step):
    """values = step(k, values) for k in range(count), count > 0; the values live in registers."""
    before, head = builder.block, builder.append_basic_block("head")
    after = builder.append_basic_block("after")
    builder.branch(head)
    builder.position_at_end(head)
    k = builder.phi(_WORD)
    carried = [builder.phi(value.type) for value in values]
    k.add_incoming(_WORD(0), before)
    for phi, value in zip(carried, values, strict=True):
        phi.add_incoming(value, before)
    results = step(k, carried)
    following = builder.add(k, _WORD(1))
    k.add_incoming(following, builder.block)
    for phi, value in zip(carried, results, strict=True):
        phi.add_incoming(value, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, count), head, after)
    builder.position_at_end(after)
    return results


_KERNELS = {real: (_micro_kernel(_ROWS, real), _micro_kernel(1, real)) for real in _REAL}


def multiply_add(c, a, b, rows, count):
    """c[:rows] += a[:rows, :count] @ b[:count], for Numba's eyes; c and b have `width` columns or more."""
    wide = width(c.dtype)
    c[:rows, :wide] += a[:rows, :count] @ b[:count, :wide]


@overload(multiply_add)
def _multiply_add(c, a, b, rows, count):
    many, one = _KERNELS[c.dtype]

    def implementation(c, a, b, rows, count):
        if count < 1:
            return
        c_at, a_at, b_at = c.ctypes.data, a.ctypes.data, b.ctypes.data
        c_row, a_row, a_step, b_step = c.strides[0], a.strides[0], a.strides[1], b.strides[0]
        i = 0
        while i + _ROWS <= rows:
            many(c_at + i * c_row, c_row, a_at + i * a_row, a_row, a_step, b_at, b_step, count)
            i += _ROWS
        while i < rows:
            one(c_at + i * c_row, c_row, a_at + i * a_row, a_row, a_step, b_at, b_step, count)
            i += 1

    return implementation
