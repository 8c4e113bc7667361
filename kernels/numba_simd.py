"""The one place where vectors are written by hand: a micro-kernel for products, in the compiler's own language (LLVM).

``multiply(c, a, b, rows, columns, count)`` sets c to a b, for blocks that fit the nearest caches, and ``multiply_add``
adds a b to c::

    c[i, j] = sum_k a[i, k] * b[k, j]      i < rows, j < columns, k < count

The sums of six rows times some vectors stay in registers while k runs: for each k, as many vectors of b are read, and
each of six numbers of a is spread over a vector and multiplied in. That is all that a matrix product needs to run as
fast as the processor can. What is left over at the edges is done by kernels of fewer rows and fewer vectors.

A vector has 64 bytes: 16 float32 or 8 float64. A processor with AVX-512 holds 32 of them, and works on strips of four.
Where registers are shorter, or fewer, LLVM cuts a vector into pieces, and strips of one are what fits: 12 registers of
AVX2 for the sums, or 24 of Arm's. A sum is taken in the same order whatever the strip.

``transpose`` makes such a b of a block that lies the other way, by pieces of four rows and columns.

Whole vectors of b and c are read and written: they must have `whole` columns, contiguous, of which those that were not
asked for hold nothing of use. a may have any strides.
"""

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.extending import intrinsic, overload

_BYTES = 64  # of a vector
_STRIPS = (4, 2, 1) if get_host_cpu_features().get("avx512f") else (1,)  # vectors, the widest first
_WORD = ir.IntType(64)
_REAL = {types.float32: (ir.FloatType(), 4), types.float64: (ir.DoubleType(), 8)}


def width(dtype):
    """Return how many columns four vectors hold: 64 float32 or 32 float64."""
    return 4 * _BYTES // np.dtype(dtype).itemsize


@overload(width)
def _width(dtype):
    columns = 4 * _BYTES // _REAL[dtype.dtype][1]
    return lambda dtype: columns


def whole(columns, dtype):
    """Return the number of columns, rounded up to whole vectors."""
    lanes = width(dtype) // 4
    return (columns + lanes - 1) // lanes * lanes


@overload(whole)
def _whole(columns, dtype):
    return whole


def _micro_kernel(rows, vectors, real, add):
    """Return the intrinsic of a size: addresses of c, a and b, strides in bytes, and how many k there are."""

    @intrinsic
    def kernel(context, c, c_row, a, a_row, a_step, b, b_step, count):
        signature = types.void(*[types.int64] * 8)
        return signature, lambda _, builder, __, arguments: _emit(builder, rows, vectors, real, add, *arguments)

    return kernel


def _emit(builder, rows, vectors, real, add, c, c_row, a, a_row, a_step, b, b_step, count):
    """Emit: sums = c or 0; for k in range(count): sums += spread(a[:, k]) * b[k]; c = sums."""
    scalar, size = _REAL[real]
    vector = ir.VectorType(scalar, _BYTES // size)
    places = [_offset(builder, c, c_row, i, j) for i in range(rows) for j in range(vectors)]
    zero = ir.Constant(vector, [0.0] * vector.count)
    sums = [_load(builder, place, vector, size) if add else zero for place in places]

    def step(k, sums):
        row_of_b = builder.add(b, builder.mul(k, b_step))
        column_of_a = builder.add(a, builder.mul(k, a_step))
        of_b = [_load(builder, _offset(builder, row_of_b, _WORD(0), 0, j), vector, size) for j in range(vectors)]
        result = []
        for i in range(rows):
            number = _load(builder, _offset(builder, column_of_a, a_row, i, 0), scalar, size)
            spread = _spread(builder, number, vector)
            result += [_fma(builder, spread, v, sums[i * vectors + j], vector) for j, v in enumerate(of_b)]
        return result

    sums = _loop(builder, count, sums, step)
    for place, total in zip(places, sums, strict=True):
        _store(builder, total, place, size)
    return ir.Constant(ir.IntType(8).as_pointer(), None)


def _offset(builder, base, stride, i, j):
    """base + i * stride + j vectors."""
    return builder.add(base, builder.add(builder.mul(stride, _WORD(i)), _WORD(j * _BYTES)))


def _load(builder, address, kind, size):
    return builder.load(builder.inttoptr(address, kind.as_pointer()), typ=kind, align=size)


def _store(builder, values, address, size):
    builder.store(values, builder.inttoptr(address, values.type.as_pointer()), align=size)


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


def _named(*parts):
    """A decorator that gives a function, which is made several times, a name for each time it is made.

    Its symbol is made of the name, the types, and how many functions the process had compiled before. What two
    processes compiled and kept on disk may meet in a third, where of two equal symbols the first is taken for both.
    """

    def decorate(function):
        function.__qualname__ = "_".join([function.__name__, *map(str, parts)])
        return function

    return decorate


def _strip(vectors, real, add):
    """Return the product for a strip of c that is this many vectors wide: six rows at a time, then four, then one."""
    six, four, one = (_micro_kernel(rows, vectors, real, add) for rows in (6, 4, 1))

    @njit
    @_named(vectors, real, "add" if add else "set")
    def strip(c, c_row, a, a_row, a_step, b, b_step, rows, count):
        i = 0
        while i + 6 <= rows:
            six(c + i * c_row, c_row, a + i * a_row, a_row, a_step, b, b_step, count)
            i += 6
        if i + 4 <= rows:
            four(c + i * c_row, c_row, a + i * a_row, a_row, a_step, b, b_step, count)
            i += 4
        while i < rows:
            one(c + i * c_row, c_row, a + i * a_row, a_row, a_step, b, b_step, count)
            i += 1

    return strip


@njit
def _nothing_left(c, c_row, a, a_row, a_step, b, b_step, rows, left, count):
    """The end of all strips."""


def _strips(widths, real, add):
    """Return the product for any number of vectors: strips of the first width as long as they fit, then the rest."""
    if not widths:
        return _nothing_left
    strip, rest, vectors = _strip(widths[0], real, add), _strips(widths[1:], real, add), widths[0]

    @njit
    @_named(*widths, real, "add" if add else "set")
    def strips(c, c_row, a, a_row, a_step, b, b_step, rows, left, count):
        while left >= vectors:
            strip(c, c_row, a, a_row, a_step, b, b_step, rows, count)
            c, b, left = c + vectors * _BYTES, b + vectors * _BYTES, left - vectors
        rest(c, c_row, a, a_row, a_step, b, b_step, rows, left, count)

    return strips


_PRODUCTS = {(real, add): _strips(_STRIPS, real, add) for real in _REAL for add in (False, True)}


def multiply(c, a, b, rows, columns, count):
    """c[:rows, :columns] = a[:rows, :count] @ b[:count, :columns], for Numba's eyes."""
    c[:rows, :columns] = a[:rows, :count] @ b[:count, :columns]


def multiply_add(c, a, b, rows, columns, count):
    """c[:rows, :columns] += a[:rows, :count] @ b[:count, :columns], for Numba's eyes."""
    c[:rows, :columns] += a[:rows, :count] @ b[:count, :columns]


@overload(multiply)
def _multiply(c, a, b, rows, columns, count):
    return _of_arrays(c.dtype, False)


@overload(multiply_add)
def _multiply_add(c, a, b, rows, columns, count):
    return _of_arrays(c.dtype, True)


def _of_arrays(real, add):
    """Return the implementation of a product: the arrays by their addresses and strides."""
    product, lanes = _PRODUCTS[real, add], _BYTES // _REAL[real][1]

    @_named(real, "add" if add else "set")
    def implementation(c, a, b, rows, columns, count):
        if count < 1:
            if not add:
                c[:rows, :columns] = 0
            return
        # signed: with what is added to it, an unsigned address would become a float
        at_c, at_a, at_b = np.int64(c.ctypes.data), np.int64(a.ctypes.data), np.int64(b.ctypes.data)
        vectors = (columns + lanes - 1) // lanes
        product(at_c, c.strides[0], at_a, a.strides[0], a.strides[1], at_b, b.strides[0], rows, vectors, count)

    return implementation


@njit
def transpose(matrix, rows, factor, transposed):
    """transposed[d, i] = matrix[i, d] * factor for i < rows; 0 up to whole vectors, where garbage might be slow."""
    row, column, size = matrix.strides[0], transposed.strides[0], transposed.itemsize
    source, target = np.int64(matrix.ctypes.data), np.int64(transposed.ctypes.data)
    fours = len(transposed) // 4 * 4
    for i in range(0, rows - 3, 4):
        for d in range(0, fours, 4):
            _transpose_four(target + d * column + i * size, column, source + i * row + d * size, row, factor)
    for i in range(whole(rows, transposed.dtype)):
        for d in range(fours if i < rows // 4 * 4 else 0, len(transposed)):
            transposed[d, i] = matrix[i, d] * factor if i < rows else 0


@intrinsic
def _transpose_four(context, target, column, source, row, factor):
    """Read four numbers of each of four rows, and write them, times factor, as four columns."""
    scalar, size = _REAL[factor]
    vector = ir.VectorType(scalar, 4)

    def emit(_, builder, __, arguments):
        target, column, source, row, factor = arguments
        factors = _spread(builder, factor, vector)
        rows = [_load(builder, _offset(builder, source, row, i, 0), vector, size) for i in range(4)]
        for _ in range(2):
            rows = [_interleave(builder, *pair, half) for pair in zip(rows[:2], rows[2:]) for half in (0, 2)]
        for i, values in enumerate(rows):
            _store(builder, builder.fmul(values, factors), _offset(builder, target, column, i, 0), size)
        return ir.Constant(ir.IntType(8).as_pointer(), None)

    return types.void(*[types.int64] * 4, factor), emit


def _interleave(builder, x, y, half):
    """The vector x[half], y[half], x[half + 1], y[half + 1]."""
    places = [half, half + 4, half + 1, half + 5]
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(ir.IntType(32), 4), places))
