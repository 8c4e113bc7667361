"""Derivatives by the complex step: no difference is taken, so nothing cancels, and 15 digits are right.

For an analytic f, ``f(x + ih) = f(x) + ih f'(x) - h^2 f''(x) / 2 ...``, so that ``f'(x) = Im f(x + ih) / h`` to the
last digit when h is tiny [1]_. Code that takes ``abs``, ``conj`` or ``real`` of its values is not analytic, which is
recognised.

References
----------
.. [1] Squire, Trapp, "Using Complex Variables to Estimate Derivatives of Real Functions", 1998.
"""

import warnings
from contextlib import contextmanager

import numpy as np

from minisora.gradcheck.differences import is_kink, swept, unit_of

STEP = 2.0**-66  # its square is far below one rounding of anything that is not itself tiny
_SAME = 1e-10  # of the largest output: a layer gives the same real part whatever the type of its numbers
_ANALYTIC = 1e-6  # of the derivative along one direction


class NotAnalytic(ValueError):
    """The layer computes something of its complex input that is no analytic function of it."""


@contextmanager
def complex_terms(probe, dout):
    """Yield ``(variables, terms)``: complex copies of the probe's arrays, and a function that gives ``dout * out``.

    Inside, the layer's parameters are complex128; at the end the old ones are back.

    Raises
    ------
    NotAnalytic
    """
    with probe.complexified() as variables, warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        yield variables, lambda: dout * _complex_output(probe)


def complex_derivative(value, index, terms):
    """Return the derivative of ``sum(terms())`` by the entry at a flat index of a complex array."""
    old = value.flat[index]
    value.flat[index] = old + 1j * STEP
    try:
        return float(terms().imag.sum()) / STEP
    finally:
        value.flat[index] = old


def require_analytic(probe, out, dout, rng):
    """Raise NotAnalytic where the complex step would not give the derivative.

    The output must be complex, have the real part of the float64 output, and its derivative along one random direction
    must be the one that finite differences find.
    """
    signs = {name: unit_of(value) * rng.choice([-1.0, 1.0], value.shape) for name, value in probe.variables.items()}
    with complex_terms(probe, dout) as (variables, terms):
        plain = _complex_output(probe).real
        if np.abs(plain - out).max(initial=0) > _SAME * np.abs(out).max(initial=0):
            raise NotAnalytic(_sentence(probe, "its output in complex128 has another real part than in float64"))
        for name, sign in signs.items():
            variables[name] += 1j * STEP * sign
        found = float(terms().imag.sum()) / STEP
    with probe.weighted(dout) as terms:
        line = probe.direction(signs, terms)
        expected = swept(line)
        scale = max(abs(found), abs(expected), 1e-6 * float(np.abs(dout).sum()))
        if abs(found - expected) > _ANALYTIC * scale and not is_kink(line, scale):
            raise NotAnalytic(
                _sentence(probe, f"along a direction it finds the slope {found:.6g}, and differences {expected:.6g}")
            )


def _complex_output(probe):
    try:
        out, _ = probe.forward()
    except (TypeError, np.exceptions.ComplexWarning) as error:
        raise NotAnalytic(_sentence(probe, f"{type(error).__name__}: {error}")) from error
    if out.dtype.kind != "c":
        raise NotAnalytic(_sentence(probe, f"its output for complex128 is {out.dtype}"))
    return out


def _sentence(probe, reason):
    return (
        f"{type(probe.layer).__name__} is not analytic as it is written, so that the complex step does not give its "
        f"derivative ({reason}); the modes central and auto do without"
    )
