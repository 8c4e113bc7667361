"""The list of attention backends, and the choice among them."""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple


class Backend(NamedTuple):
    """One implementation: its ``attention_forward`` and ``attention_backward``, over the one public cache."""

    name: str
    forward: Callable
    backward: Callable


_MODULES = {  # imported when they are asked for: Numba takes half a second
    "numpy": "numpy_attention",
    "numba-loops": "numba_loops",
    "numba-tiles": "numba_tiles",
    "numba": "numba_attention",
}


def backend_names():
    """Return the names that `get_backend` takes, the specification first."""
    return list(_MODULES)


def get_backend(name):
    """Return the `Backend` of a name; ``"auto"`` is the best one that runs here, which its ``name`` tells.

    Raises
    ------
    ValueError
        For a name that does not exist. There is no silent fallback.
    """
    if name == "auto":
        name = "numpy"
    if name not in _MODULES:
        raise ValueError(f"unknown attention backend {name!r}, expected one of: auto, {', '.join(_MODULES)}")
    module = import_module(f"minisora.kernels.{_MODULES[name]}")
    return Backend(name, module.attention_forward, module.attention_backward)
