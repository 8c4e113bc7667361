"""The list of attention backends, and the choice among them."""

from collections.abc import Callable
from functools import partial
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
    "numba-blas": "numba_blas",
    "numba": "numba_attention",
}
_HOPPER = ("cuda-hopper-fp16", "cuda-hopper-bf16")
_CUDA = ("cuda-naive", "cuda-tiled", "cuda-3xtf32", "cuda", "cuda-fp16", "cuda-bf16", *_HOPPER)


def backend_names(device=None):
    """Return the names that `get_backend` takes, the specification first.

    Parameters
    ----------
    device : {"cpu", "cuda"}, optional
        Only those that compute there.
    """
    if device == "cuda":
        return ["numpy", *_CUDA]
    return [*_MODULES, *(_CUDA if device is None else ())]


def get_backend(name):
    """Return the `Backend` of a name; ``"auto"`` chooses for each call, see `minisora.kernels.auto_attention`.

    Raises
    ------
    ValueError
        For a name that does not exist, or that needs what is not installed. There is no silent fallback.
    """
    if name != "auto" and name not in backend_names():
        raise ValueError(f"unknown attention backend {name!r}, expected one of: auto, {', '.join(backend_names())}")
    if name in _CUDA:
        return _cuda_backend(name)
    module = import_module(f"minisora.kernels.{_MODULES.get(name, 'auto_attention')}")
    return Backend(name, module.attention_forward, module.attention_backward)


def _cuda_backend(name):
    """The functions that all rungs on the GPU share, for one of them."""
    rung = import_module("minisora.kernels.cuda_rungs").get_rung(name)
    attention = import_module("minisora.kernels.cuda_attention")
    return Backend(name, partial(attention.attention_forward, rung), partial(attention.attention_backward, rung))


def get_elementwise(name, x):
    """Return the fused element-wise operations of a backend, or None where NumPy is to compute: x is not for them.

    All of Numba's backends share `minisora.kernels.elementwise`. ``"auto"`` has none: compiling them takes seconds.
    """
    if not name.startswith("numba"):
        return None
    operations = import_module("minisora.kernels.elementwise")
    return operations if operations.takes(x) else None
