"""Gradient clipping by the global norm."""

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
    norm = gradient_norm([parameter.grad for parameter in parameters])
    xp = array_module(norm)
    if not xp.isfinite(norm):
        raise ValueError(f"expected a finite gradient, got one of norm {norm}")
    if max_norm is not None:
        # 1e-6 as in torch: a norm of 0 divides nothing
        scale = xp.minimum(1.0, max_norm / (norm + 1e-6)).astype(parameters[0].grad.dtype)
        for parameter in parameters:
            parameter.grad *= scale
    return norm


def gradient_norm(grads):
    """The joint norm of arrays: a 0-d array, in float64 where the squares overflow the arrays' own type."""
    xp = array_module(grads[0])
    flats = [grad.reshape(-1) for grad in grads]
    with np.errstate(over="ignore", invalid="ignore"):
        norm = xp.sqrt(sum(xp.dot(flat, flat) for flat in flats))
        if xp.isfinite(norm):
            return norm
        largest = max(xp.abs(flat).max() for flat in flats)  # of NaNs it may be any value: the sum below is one
        scaled = [flat / largest for flat in flats]
        return largest.astype(np.float64) * xp.sqrt(sum(xp.dot(flat, flat) for flat in scaled))
