"""The exponential function over a row, written so that the compiler makes vectors of it: ``np.exp`` is a call a number.

exp(x) = 2^n p(f) with n the integer nearest to x log2(e), f = x - n log(2) (in two parts, so that nothing of x is lost
[1]_), and p a polynomial near exp(f). The bits of 2^n are written as an integer: n + bias in the place of the exponent.

References
----------
.. [1] Cody, Waite, "Software Manual for the Elementary Functions", 1980, chapter 6.
"""

import numpy as np
from numba import types
from numba.extending import overload

_LOG2 = np.log(2)


def _polynomial(degree, real):
    """Return coefficients, highest first, of exp(f) for |f| <= log(2) / 2: least squares of the relative error.

    The last one is 1, so that exp(0) is 1 to the last bit.
    """
    f = np.cos(np.pi * (np.arange(64) + 0.5) / 64) * 0.505 * _LOG2  # Chebyshev's points
    powers = np.vander(f, degree + 1)[:, :-1] / np.exp(f)[:, None]
    return *(real(c) for c in np.linalg.lstsq(powers, 1 - np.exp(-f), rcond=None)[0]), real(1)


# Of each precision: its type, the integer of its size, coefficients, log(2) to a few bits, bits of its fraction, bias,
# and where the result stops being a normal number
_OF = {
    types.float32: (np.float32, np.int32, _polynomial(6, np.float32), 0.693359375, 23, 127, -87.3),
    types.float64: (np.float64, np.int64, _polynomial(12, np.float64), 0.693145751953125, 52, 1023, -708.3),
}


def power_room(count, dtype):
    """Return the room for integers that `exp_row` needs."""
    return np.empty(count, np.int32 if dtype == np.float32 else np.int64)


@overload(power_room)
def _power_room(count, dtype):
    integer = _OF[dtype.dtype][1]
    return lambda count, dtype: np.empty(count, integer)


def exp_row(x, columns, top, powers):
    """x[s] = exp(x[s] - top) in place, for Numba's eyes; exactly 0 below the smallest normal number."""
    x[:columns] = np.exp(x[:columns] - top)


@overload(exp_row)
def _exp_row(x, columns, top, powers):
    real, integer, coefficients, log2, shift, bias, least = _OF[x.dtype]
    log2_rest, per_log2, half, log2, least = (real(c) for c in (_LOG2 - log2, 1 / _LOG2, 0.5, log2, least))
    shift, bias, degree = integer(shift), integer(bias), len(coefficients)

    def implementation(x, columns, top, powers):
        for s in range(columns):
            y = x[s] - top
            n = np.floor(y * per_log2 + half)
            f = (y - n * log2) - n * log2_rest
            p = coefficients[0] * f + coefficients[1]
            for i in range(2, degree):
                p = p * f + coefficients[i]
            tiny = y < least
            powers[s] = integer(0) if tiny else (integer(n) + bias) << shift
            x[s] = real(0) if tiny else p
        factors = powers.view(real)
        for s in range(columns):
            x[s] *= factors[s]

    return implementation
