"""Which library an array belongs to, and with it where it lies: on the host or on the GPU."""

import sys

import numpy as np


def array_module(array):
    """Return ``numpy`` for an array on the host, ``cupy`` for one on the GPU, so that one formula serves both."""
    if isinstance(array, np.ndarray | np.generic):
        return np
    if type(array).__module__.partition(".")[0] == "cupy":
        return sys.modules["cupy"]
    raise TypeError(f"expected an array of NumPy or CuPy, got {type(array).__name__}")


def check_same_device(name, array, other_name, other):
    """Raise ValueError, in one sentence, where one array lies on the host and the other on the GPU."""
    place, other_place = ("host" if array_module(one) is np else "GPU" for one in (array, other))
    if place != other_place:
        raise ValueError(
            f"{name} and {other_name} are expected in one place, got {name} on the {place} and {other_name} on the "
            f"{other_place}: cupy.asarray brings an array to the GPU, cupy.asnumpy to the host, Layer.to a layer"
        )
