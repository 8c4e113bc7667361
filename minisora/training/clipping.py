"""Gradient clipping by the global norm."""

import math

import numpy as np

from minisora.kernels import array_module


def clip_gradients(parameters, max_norm):
    """Scale all gradients together so that their joint norm is at most ``max_norm`` (Pascanu et al. 2013, algorithm 1).

    Parameters
    ----------
    parameters : list of Parameter
        Their ``grad`` is scaled in place.
    max_norm : float or None
        None measures without clipping.

    Returns
    -------
    0-d array
        The norm before clipping, on the gradients' device.

    Raises
    ------
    ValueError
        When the gradient is not finite; nothing has been scaled then.
    """
    norm = gradient_norm(parameters)
    norm, _ = finite_norm(parameters, norm, float(norm))
    scale_gradients(parameters, max_norm, norm)
    return norm


def gradient_norm(parameters):
    """The joint norm of all gradients: a 0-d array where they are, infinite where the squares overflow."""
    flats = [parameter.grad.reshape(-1) for parameter in parameters]
    xp = array_module(flats[0])
    with np.errstate(over="ignore", invalid="ignore"):
        return xp.sqrt(sum(xp.dot(flat, flat) for flat in flats))


def overflowed_norm(parameters):
    """The same in float64, of gradients first divided by their largest entry."""
    flats = [parameter.grad.reshape(-1) for parameter in parameters]
    xp = array_module(flats[0])
    with np.errstate(over="ignore", invalid="ignore"):
        largest = xp.stack([xp.abs(flat).max() for flat in flats]).max()  # NaN where one is
        scaled = [flat / largest for flat in flats]
        return largest.astype(np.float64) * xp.sqrt(sum(xp.dot(flat, flat) for flat in scaled))


def finite_norm(parameters, norm, value):
    """Return `gradient_norm` and its value, or those of `overflowed_norm` where it must be; ValueError if both fail."""
    if not math.isfinite(value):
        norm = overflowed_norm(parameters)
        value = float(norm)
    if not math.isfinite(value):
        raise ValueError(f"expected a finite gradient, got one of norm {value}")
    return norm, value


def scale_gradients(parameters, max_norm, norm):
    """Scale all gradients, whose joint norm is the 0-d array ``norm``, so that it becomes at most ``max_norm``."""
    if max_norm is None:
        return
    xp = array_module(norm)
    # 1e-6 as in torch: a norm of 0 divides nothing
    scale = xp.minimum(1.0, max_norm / (norm + 1e-6)).astype(parameters[0].grad.dtype)
    if xp is np and scale == 1:  # a GPU would have to be waited for
        return
    for parameter in parameters:
        parameter.grad *= scale
