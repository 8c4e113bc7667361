"""The one launcher of all CUDA kernels: compiles a program when it is first used, and checks what a kernel is given.

CuPy takes a Python float for a double, ignores strides, and compares nothing with the kernel's signature; so that is
done here, by the signature as it stands in the source.
"""

from functools import cache

import numpy as np

from minisora.kernels.cuda_source import HOPPER, signatures, source

_TYPES = {
    "bool": ("bool",),
    "int": ("int32",),
    "unsigned": ("uint32",),
    "long long": ("int64",),
    "i64": ("int64",),
    "u64": ("uint64",),
    "float": ("float32",),
    "double": ("float64",),
    "unsigned short": ("uint16", "float16"),
}
_ELEMENTS = {"Fp16": "unsigned short", "Bf16": "unsigned short", "Tf32x3": "float"}  # of the formats
_FREE = 48 << 10  # bytes of shared memory that need not be asked for
_HOPPER = 90  # the architecture of Hopper, whose own instructions no other has
_NVRTC = 12, 9  # from which on it takes two architectures
_OLDEST = 80  # the architecture from which on there are asynchronous copies, bfloat16 and TF32


@cache
def program(name, device, **macros):
    """Return the `Program` of a name and macros on a device, the same for the same ones."""
    return Program(name, device, macros)


@cache
def shared_memory(device):
    """Return how many bytes of shared memory a block may have on a device."""
    import cupy

    return cupy.cuda.Device(device).attributes["MaxSharedMemoryPerBlockOptin"]


class Program:
    """The kernels of one source with one set of macros, on one device.

    Parameters
    ----------
    name : str
        Of `minisora.kernels.cuda_source.PROGRAMS`.
    device : int
    macros : dict
        What ``-D`` defines; one may stand for a type in a signature.
    """

    def __init__(self, name, device, macros):
        import cupy

        architecture = int(cupy.cuda.Device(device).compute_capability)
        hopper = name in HOPPER
        if architecture < _OLDEST or (hopper and architecture != _HOPPER):
            expected = f"a Hopper GPU, sm_{_HOPPER}" if hopper else f"a GPU from sm_{_OLDEST} on"
            raise ValueError(f"{name} expects {expected}, GPU {device} is sm_{architecture}")
        self.name, self.device, self.macros = name, device, macros
        self.xp = cupy
        if hopper and cupy.cuda.nvrtc.getVersion() < _NVRTC:
            found = ".".join(map(str, cupy.cuda.nvrtc.getVersion()))
            raise ValueError(
                f"{name} expects NVRTC, CUDA's compiler, from {'.'.join(map(str, _NVRTC))} on, got {found}"
            )
        options = ("-std=c++17", *(f"-D{macro}={value}" for macro, value in macros.items()))
        if hopper:  # beside CuPy's own -arch=sm_90; of two, NVRTC takes the one that has more
            options += (f"-arch=sm_{_HOPPER}a",)
        self.module = cupy.RawModule(code=source(name), options=options)
        self.kernels = {}

    def launch(self, kernel, blocks, threads, *arguments, shared=0):
        """Launch a kernel on ``blocks`` blocks of ``threads`` threads with ``shared`` bytes of shared memory.

        Raises
        ------
        ValueError
            Where an argument does not fit the kernel's signature, in one sentence.
        """
        parameters = signatures(self.name)[kernel]
        if len(arguments) != len(parameters):
            raise ValueError(f"{kernel} takes {len(parameters)} arguments, got {len(arguments)}")
        if shared > shared_memory(self.device):
            limit = f"GPU {self.device} has {shared_memory(self.device)}: cuda-naive takes heads of any width"
            raise ValueError(f"{kernel} needs {shared} bytes of shared memory for {self.macros}, {limit}")
        if not 0 < blocks < 2**31:
            raise ValueError(f"{kernel} is expected on 1 to 2**31 - 1 blocks, got {blocks}")
        ready = tuple(self._ready(kernel, *pair) for pair in zip(parameters, arguments, strict=True))
        self._function(kernel, shared)((blocks,), (threads,), ready, shared_mem=shared)

    def _function(self, kernel, shared):
        """The compiled kernel, allowed as much shared memory as it needs."""
        if kernel not in self.kernels:
            self.kernels[kernel] = self.module.get_function(kernel)
        function = self.kernels[kernel]
        if shared > _FREE:
            function.max_dynamic_shared_size_bytes = shared
        return function

    def _ready(self, kernel, parameter, argument):
        """An argument as the kernel's signature has it: an array that fits, or a scalar of that very type."""
        types = _TYPES[self._type(parameter.type)]
        if parameter.pointer:
            return self._array(f"{kernel}'s {parameter.name}", types, argument)
        if not isinstance(argument, int | float | np.generic):
            raise ValueError(f"{kernel}'s {parameter.name} is expected as a number, got {type(argument).__name__}")
        try:
            return np.dtype(types[0]).type(argument)
        except OverflowError:
            raise ValueError(f"{kernel}'s {parameter.name} is expected as {types[0]}, got {argument}") from None

    def _type(self, name):
        """A type of a signature, where it is a macro's, or the element of the format that a macro names."""
        return _ELEMENTS[self.macros["FORMAT"]] if name == "Element" else self.macros.get(name, name)

    def _array(self, name, types, array):
        """The array itself, if it is one of this device, of one of the types, and contiguous."""
        if not isinstance(array, self.xp.ndarray):
            raise ValueError(f"{name} is expected as an array on the GPU, got {type(array).__name__}")
        if str(array.dtype) not in types:
            raise ValueError(f"{name} is expected as {' or '.join(types)}, got {array.dtype}")
        if not array.flags.c_contiguous:
            raise ValueError(f"{name} is expected to be contiguous, got strides {array.strides}")
        if array.device.id != self.device:
            raise ValueError(f"{name} is expected on GPU {self.device}, got one on GPU {array.device.id}")
        return array
