"""The list of attention backends, and the choice among them."""

from collections.abc import Callable
from typing import NamedTuple

from minisora.kernels import numpy_attention


class Backend(NamedTuple):
    """One implementation: its ``attention_forward`` and ``attention_backward``, over the one public cache."""

    name: str
    forward: Callable
    backward: Callable


_BACKENDS = {
    "numpy": Backend("numpy", numpy_attention.attention_forward, numpy_attention.attention_backward),
}


def backend_names():
    """Return the names that `get_backend` takes, the specification first."""
    return list(_BACKENDS)


def get_backend(name):
    """Return the `Backend` of a name; ``"auto"`` is the best one that runs here, which its ``name`` tells.

    Raises
    ------
    ValueError
        For a name that does not exist. There is no silent fallback.
    """
    if name == "auto":
        return _BACKENDS["numpy"]
    if name not in _BACKENDS:
        raise ValueError(f"unknown attention backend {name!r}, expected one of: auto, {', '.join(_BACKENDS)}")
    return _BACKENDS[name]
