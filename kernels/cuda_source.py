"""The source of a CUDA program: one string, pasted together from files of the folder ``cuda``, and its signatures.

One string, because CuPy's cache of compiled programs does not see what a file includes.
"""

import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_SHARED = ("ptx.cuh", "base_2.cuh", "attention.cuh")
_TENSOR = ("formats.cuh", "accumulators.cuh", "softmax.cuh")
_HOPPER = ("hopper_ptx.cuh", *_TENSOR, "hopper.cuh")
PROGRAMS = {
    "naive": (*_SHARED, "naive.cu"),
    "tiled_forward": (*_SHARED, "tiles.cuh", "tiled.cuh", "tiled_forward.cu"),
    "tiled_backward": (*_SHARED, "tiles.cuh", "tiled.cuh", "tiled_backward.cu"),
    "tensor_forward": (*_SHARED, "tiles.cuh", *_TENSOR, "tensor.cuh", "tensor_forward.cu"),
    "tensor_backward": (*_SHARED, "tiles.cuh", *_TENSOR, "tensor.cuh", "tensor_backward.cu"),
    "hopper_forward": (*_SHARED, *_HOPPER, "hopper_forward.cu"),
    "hopper_backward": (*_SHARED, *_HOPPER, "hopper_backward.cu"),
    "hopper_pack": ("ptx.cuh", "base_2.cuh", "formats.cuh", "hopper_pack.cu"),
    "pack": ("ptx.cuh", "formats.cuh", "pack.cu"),
    "delta": ("ptx.cuh", "delta.cu"),
}
HOPPER = ("hopper_forward", "hopper_backward")  # with instructions that only Hopper has
_KERNEL = re.compile(r'extern "C" __global__ void __launch_bounds__\([\w, ]+\) (\w+)\(([^)]*)\)')
_PARAMETER = re.compile(r"\s*(?:const )?([\w ]+?)(\*?) (?:__restrict__ )?(\w+)\s*")


class Parameter(NamedTuple):
    """One parameter of a kernel, as its signature has it."""

    type: str  # without const; of a pointer, what it points to
    pointer: bool
    name: str


@cache
def piece(name):
    """Return the text of one file in the folder ``cuda``."""
    return files("minisora.kernels").joinpath("cuda", name).read_text(encoding="utf-8")


@cache
def source(program):
    """Return the source of a program of `PROGRAMS`; the compiler's messages name the files that it came from."""
    return "\n".join(f'#line 1 "{name}"\n{piece(name)}' for name in PROGRAMS[program])


@cache
def signatures(program):
    """Return the parameters of every kernel of a program: name -> tuple of `Parameter`."""
    return {
        name: tuple(map(_parameter, parameters.split(","))) for name, parameters in _KERNEL.findall(source(program))
    }


def _parameter(text):
    kind, star, name = _PARAMETER.fullmatch(text).groups()
    return Parameter(kind, bool(star), name)
