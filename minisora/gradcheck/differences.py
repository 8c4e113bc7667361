"""Derivatives by finite differences, in float64: a stencil, a sweep over steps, and the recognition of kinks.

Everything here looks at a ``line``: a function of one number t that returns the terms whose sum is to be differentiated
at t = 0 (the outputs of a layer, each times its upstream gradient, when something is moved by t). Terms are subtracted
before they are summed, so that an output that does not move contributes nothing, not even rounding.

Steps are for values around 1; for others they are multiplied by `unit_of` the array that is moved.
"""

import numpy as np

NARROW = 2.0**-17  # truncation, h^2 f^(3) / 6, and rounding, eps f / h, are both near 1e-11 for values around 1
SWEEP = tuple(2.0**-e for e in range(8, 22, 2))  # 3.9e-3 down to 9.5e-7
KINK_STEPS = (2.0**-16, 2.0**-18)  # together they see every kink that the two narrowest steps of the sweep may straddle
KINK = 1e-6  # slopes left and right that differ by more than this part of the scale are two slopes


def unit_of(value):
    """Return 1 for an array of values around 1, and the power of 2 near its root mean square where that is far off."""
    size = float(np.sqrt(np.mean(value * value))) if value.size else 0.0
    return 1.0 if not size or 2.0**-7 < size < 2.0**7 else 2.0 ** round(np.log2(size))


def two_point(line, step=NARROW):
    """Return the derivative at 0 as ``(f(h) - f(-h)) / 2h``: cheap, and right to nine digits where f is tame."""
    return float((line(step) - line(-step)).sum()) / (2 * step)


def five_point(line, step):
    """Return the derivative at 0 from the five-point stencil, exact for polynomials of degree 4.

    ``(8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h``, Abramowitz and Stegun, table 25.2.
    """
    near = line(step) - line(-step)
    far = line(2 * step) - line(-2 * step)
    return float((8 * near - far).sum()) / (12 * step)


def swept(line, close=0.0, unit=1.0):
    """Return the derivative at 0 from the step at which the stencil agrees best with its neighbour.

    A wide step meets curvature and kinks, a narrow one rounding; where two neighbouring steps agree, neither has a
    say. The choice knows nothing of the gradient that is being checked.

    Parameters
    ----------
    line : callable
    close : float
        The sweep, from wide to narrow, ends at the first two neighbours that differ by no more than this.
    unit : float
        What the steps are multiplied by.
    """
    best, smallest, last = np.nan, np.inf, np.nan
    for step in SWEEP:
        estimate = five_point(line, step * unit)
        difference = abs(estimate - last)
        if difference < smallest:
            best, smallest = estimate, difference
        if difference <= close:
            break
        last = estimate
    return best


def is_kink(line, scale, unit=1.0):
    """Tell whether the slopes left and right of 0 differ by more than `KINK` times ``scale`` (ReLU at 0: 0 and 1).

    Each slope is a one-sided three-point stencil, exact for parabolas. It is blind to a kink at two thirds of its step,
    hence two steps; what is compared is the sum of the differences of the terms, so that two kinks cannot hide each
    other.
    """
    middle = line(0.0)
    for h in (step * unit for step in KINK_STEPS):
        right = (4 * line(h) - 3 * middle - line(2 * h)) / (2 * h)
        left = (3 * middle - 4 * line(-h) + line(-2 * h)) / (2 * h)
        if float(np.abs(right - left).sum()) > KINK * scale:
            return True
    return False


def entry_lines(value, terms):
    """Return a function from the flat index of an entry of an array to the line along it.

    ``terms()`` evaluates at the array's present values; the entry is put back after each evaluation.
    """

    def line_at(i):
        old = value.flat[i]

        def line(t):
            value.flat[i] = old + t
            result = terms()
            value.flat[i] = old
            return result

        return line

    return line_at
