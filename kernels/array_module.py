"""Which library an array belongs to."""

import sys

import numpy as np


def array_module(array):
    """Return ``numpy`` for an array on the host, ``cupy`` for one on the GPU, so that one formula serves both."""
    if isinstance(array, np.ndarray | np.generic):
        return np
    if type(array).__module__.partition(".")[0] == "cupy":
        return sys.modules["cupy"]
    raise TypeError(f"expected an array of NumPy or CuPy, got {type(array).__name__}")
