"""The rungs of the GPU's ladder by name."""

from minisora.kernels import cuda_hopper, cuda_naive, cuda_tensor, cuda_tiled

_RUNGS = {rung.NAME: rung for rung in (cuda_naive, cuda_tiled, *cuda_tensor.RUNGS, *cuda_hopper.RUNGS)}


def get_rung(name):
    """Return a rung, as `minisora.kernels.cuda_attention` describes it.

    Raises
    ------
    ValueError
        Where CuPy is not installed.
    """
    try:
        import cupy  # noqa: F401
    except ImportError as error:
        needs = "needs CuPy: pip install 'minisora[cuda12]' or 'minisora[cuda13]'"
        raise ValueError(f"the backend {name!r} {needs}") from error
    return _RUNGS[name]
