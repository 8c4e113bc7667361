"""Gradient clipping by the global norm."""

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
        The norm before clipping. It stays on the gradients' device: reading it is up to the caller.
    """
    xp = array_module(parameters[0].grad)
    flats = [parameter.grad.reshape(-1) for parameter in parameters]
    norm = xp.sqrt(sum(xp.dot(flat, flat) for flat in flats))
    if max_norm is not None:
        scale = xp.minimum(1.0, max_norm / (norm + 1e-6)).astype(
            norm.dtype
        )  # 1e-6 as in torch: a norm of 0 divides nothing
        for parameter in parameters:
            parameter.grad *= scale
    return norm
