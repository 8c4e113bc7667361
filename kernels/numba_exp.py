"""Powers of two, written so that the compiler makes vectors of a loop over them: ``np.exp2`` is a call a number.

2^y = 2^n p(f) with n the integer nearest to y, f = y - n, and p a polynomial near 2^f. The bits of 2^n are written as
an integer: n + bias in the place of the exponent. A softmax may as well be taken with base 2: its scores are multiplied
by log2(e) once, together with their scale.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

LOG2_E = float(np.log2(np.e))


def _polynomial(degree, real):
    """Return coefficients, highest first, of 2^f for |f| <= 1/2: least squares of the relative error.

    The last one is 1, so that 2^0 is 1 to the last bit.
    """
    f = np.cos(np.pi * (np.arange(64) + 0.5) / 64) * 0.505  # Chebyshev's points
    powers = np.vander(f, degree + 1)[:, :-1] / np.exp2(f)[:, None]
    return *(real(c) for c in np.linalg.lstsq(powers, 1 - np.exp2(-f), rcond=None)[0]), real(1)


# Of each precision: its type, the integer of its size, coefficients, bits of its fraction, and its bias
_OF = {
    types.float32: (np.float32, np.int32, _polynomial(6, np.float32), 23, 127),
    types.float64: (np.float64, np.int64, _polynomial(11, np.float64), 52, 1023),
}


@intrinsic
def _as_float(context, bits):
    """The float that has the bits of an integer."""
    real = {types.int32: types.float32, types.int64: types.float64}[bits]
    return real(bits), lambda inner, builder, _, arguments: builder.bitcast(arguments[0], inner.get_value_type(real))


def exp2(y):
    """2^y for Numba's eyes, y below 128: exactly 0 below the smallest normal number; NaN stays NaN."""
    return np.exp2(y)


@overload(exp2, jit_options={"fastmath": {"contract"}})
def _exp2(y):
    real, integer, coefficients, shift, bias = _OF[y]
    least, half, zero, degree = real(1 - bias), real(0.5), real(0), len(coefficients)
    shift, bias = integer(shift), integer(bias)

    def implementation(y):
        n = np.floor(y + half)
        f = y - n
        p = coefficients[0] * f + coefficients[1]
        for i in range(2, degree):
            p = p * f + coefficients[i]
        power = _as_float(integer((integer(n) + bias) << shift))
        return zero if y < least else p * power

    return implementation
