"""The measure of an error: relative to the largest entry of a tensor, never entry by entry."""

import numpy as np

LARGEST_ERROR = 2.0  # of the measure below: a and b of the same size and opposite sign
FLOOR = 1e-6  # of the largest gradient of a check: a tensor smaller than that is measured against it instead


def relative_error(a, b, largest=0.0):
    """Return ``max|a - b| / max(max|a|, max|b|, 1e-6 * largest)``.

    Entry by entry a relative error says nothing: where the true gradient is 0, any rounding would have the error 1.

    Parameters
    ----------
    a, b : arrays of one shape
        Two values of one gradient.
    largest : float
        The largest entry (absolute value) over all gradients of the same check.

    Returns
    -------
    float
        In [0, 2]. The largest, 2, also where an entry is not finite; 0 where both are empty or zero.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"two gradients of one shape are expected, got {a.shape} and {b.shape}")
    return error_against_scale(a, b, gradient_scale(a, b, largest))


def gradient_scale(a, b, largest):
    """Return what `relative_error` divides by."""
    return max(largest_entry(a), largest_entry(b), FLOOR * largest)


def error_against_scale(a, b, scale):
    """Return ``max|a - b| / scale``, at most 2, which is also the error of values that are not finite."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return LARGEST_ERROR
    difference = largest_entry(a - b)
    return min(difference / scale, LARGEST_ERROR) if difference else 0.0


def largest_entry(array):
    """Return ``max|array|``, 0 for an empty one."""
    return float(np.abs(array).max(initial=0.0))
