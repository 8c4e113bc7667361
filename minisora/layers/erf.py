"""The error function, which NumPy does not have: rational approximations on three ranges.

Each range is one quotient of polynomials, analytic in x, so that the complex step works through it; the range is chosen
by the real part.

References
----------
W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969), pp.
631-637. The coefficients, highest power first, are those of his program CALERF; its relative error in float64 is below
1e-15.
"""

import numpy as np

from minisora.kernels import array_module

# erf(x) = x N(x^2) / D(x^2) for |x| <= 0.46875
_SMALL = (
    (0.18577770618460315, 3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694),
    (1.0, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171),
)  # fmt: skip
# erfc(x) = exp(-x^2) N(x) / D(x) for 0.46875 < x <= 4
_MIDDLE = (
    (2.1531153547440383e-08, 0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001,
     881.952221241769, 1712.0476126340707, 2051.0783778260716, 1230.3393547979972),
    (1.0, 15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597,
     4362.619090143247, 3439.3676741437216, 1230.3393548037495),
)  # fmt: skip
# erfc(x) = exp(-x^2) / x (1 / sqrt(pi) - N(1 / x^2) / (x^2 D(1 / x^2))) for x > 4
_LARGE = (
    (0.016315387137302097, 0.30532663496123236, 0.36034489994980445, 0.12578172611122926, 0.016083785148742275,
     0.0006587491615298378),
    (1.0, 2.568520192289822, 1.8729528499234673, 0.5279051029514285, 0.06051834131244132, 0.0023352049762686918),
)  # fmt: skip


def erf(x):
    """Return 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x, real or complex (...), in the dtype of x."""
    xp = array_module(x)
    sign = xp.where(x.real < 0, x.real.dtype.type(-1), x.real.dtype.type(1))
    y = x * sign  # real part >= 0
    middle = xp.where((y.real > 0.46875) & (y.real <= 4), y, x.dtype.type(1))  # elsewhere any harmless value
    large = xp.where((y.real > 4) & (y.real < 10), y, x.dtype.type(10))  # erf(10) is 1 to the last bit
    out = xp.where(y.real > 4, 1 - _erfc_large(large), 1 - _erfc_middle(middle))
    small = xp.where(y.real <= 0.46875, y, x.dtype.type(0))
    return sign * xp.where(
        y.real <= 0.46875, small * _quotient(_SMALL, small * small), xp.where(y.real != y.real, y, out)
    )


def _erfc_middle(y):
    return array_module(y).exp(-y * y) * _quotient(_MIDDLE, y)


def _erfc_large(y):
    z = 1 / (y * y)
    return array_module(y).exp(-y * y) / y * (np.pi**-0.5 - z * _quotient(_LARGE, z))


def _quotient(polynomials, z):
    numerator, denominator = (_horner(coefficients, z) for coefficients in polynomials)
    return numerator / denominator


def _horner(coefficients, z):
    """Return ((c0 z + c1) z + c2) z + ..."""
    value = coefficients[0] * z + coefficients[1]
    for coefficient in coefficients[2:]:
        value = value * z + coefficient
    return value
