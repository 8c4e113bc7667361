"""CUDA kernels compiled by g++ and run on the CPU: a stand-in for ``cupy.RawModule``, for tests.

What the C++ side does is told in ``cuda_on_cpu.hpp``. Here sources are prepared, built once, and launches checked: what
a device refuses is refused, and so are arguments that do not fit the kernel's parameters, which CuPy would pass on.
"""

import ctypes
import hashlib
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minisora import kernels

HERE = Path(__file__).parent
RUNTIME = HERE / "cuda_on_cpu.cpp"
HEADERS = [HERE / f"{name}.hpp" for name in ("cuda_on_cpu", "hopper_on_cpu", "tensor_core", "ptx", "hopper_ptx")]
# The headers ptx.hpp and hopper_ptx.hpp stand in for these.
PTX = [Path(kernels.__file__).parent / "cuda" / f"{name}.cuh" for name in ("ptx", "hopper_ptx")]

MAX_THREADS = 1024
MAX_BLOCK = (1024, 1024, 64)
MAX_GRID = (2**31 - 1, 65535, 65535)
MAX_WATCHED = 4096  # threads of a launch under ThreadSanitizer, which takes a millisecond and a megabyte for each
SHARED_BY_DEFAULT = 48 * 1024  # more has to be asked for
SHARED_AT_MOST = 227 * 1024  # of one block on sm_90

COMMON_FLAGS = "-std=c++20 -w -fno-strict-aliasing -U_FORTIFY_SOURCE"
FLAGS = {
    None: "-fPIC -fvisibility=hidden -fno-gnu-unique",
    "thread": "-g -fsanitize=thread -DEMULATOR_PROGRAM",
    "address": "-g -fsanitize=address -DEMULATOR_PROGRAM",
}
# A variable that nobody has set is no accidental zero, but -1.7e38.
KERNEL_FLAGS = "-O1 -c -ftrivial-auto-var-init=pattern"
CHECKS = "-fsanitize=alignment,bounds,null"  # of a library: it would take the whole process with it
LINK_FLAGS = {None: "-shared", "thread": "-fsanitize=thread", "address": "-fsanitize=address"}
SANITIZER_OPTIONS = {
    "TSAN_OPTIONS": "halt_on_error=1 report_signal_unsafe=0",
    "ASAN_OPTIONS": "detect_leaks=0",
}

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
BOUNDS = r"(?:__launch_bounds__\s*\((?P<bounds>(?:[^()]|\([^()]*\))*)\)\s*)?"
NOISE = re.compile(r"\s*(#\d+ .*|=*)$")  # of a sanitizer's report
KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+void\s+' + BOUNDS + r"(?P<name>\w+)\s*\(")
SHARED = re.compile(r"extern\s+__shared__\s+(__align__\s*\(\d+\)\s+)?unsigned\s+char\s+shared\s*\[\s*\]\s*;")


class EmulationError(RuntimeError):
    """A kernel did what no kernel may do, or does not compile."""


class Parameter(NamedTuple):
    """One parameter of a kernel, as the compiler sees it."""

    kind: str  # pointer, floating, integer or struct
    size: int
    pointee: int  # bytes of what is pointed to; 0 where that may be anything


class Signature(NamedTuple):
    """What a launch is checked against."""

    number: int  # of the kernel in its module
    max_threads: int
    parameters: tuple[Parameter, ...]


def available():
    """Return whether there is a g++ to compile with, and the system that the emulator knows."""
    return sys.platform == "linux" and shutil.which("g++") is not None


class EmulatedModule:
    """The kernels of one source, compiled for the CPU.

    Parameters
    ----------
    code : str
        The source. Where it holds the text of ``kernels/cuda/ptx.cuh`` or ``hopper_ptx.cuh``, that is taken out.
    options : sequence of str
        Macros, ``-DNAME=VALUE``. What else NVRTC takes has no meaning here and is passed over.
    seed : int
        In which order the threads of a block take turns: 0 forward, 1 backward, others at random.
    sanitizer : {None, "thread", "address"}
        Run every launch in a process of its own under ThreadSanitizer, which sees races within and between blocks (of
        up to 4096 threads in all), or AddressSanitizer, which sees what lies beyond an array.
    """

    def __init__(self, code, options=(), *, seed=0, sanitizer=None):
        if sanitizer not in FLAGS:
            raise ValueError(f"expected a sanitizer among {', '.join(map(repr, FLAGS))}, got {sanitizer!r}")
        self._seed, self._max_in_all = seed, MAX_WATCHED if sanitizer == "thread" else math.inf
        build = _build(_whole_source(code, options), sanitizer)
        self._run, description = _load(build) if sanitizer is None else _program(build)
        self._signatures = _parse_description(description)

    def get_function(self, name):
        """Return the kernel of this name."""
        if name not in self._signatures:
            raise ValueError(f"no kernel {name!r}, expected one of: {', '.join(self._signatures)}")
        return EmulatedKernel(name, self._signatures[name], self._run, self._seed, self._max_in_all)


class EmulatedKernel:
    """One kernel; called as CuPy's are, with ``kernel(grid, block, arguments, shared_mem=bytes)``."""

    def __init__(self, name, signature, run, seed, max_in_all):
        self.name = name
        self._signature, self._run, self._seed, self._max_in_all = signature, run, seed, max_in_all
        self._max_shared = SHARED_BY_DEFAULT

    @property
    def max_dynamic_shared_size_bytes(self):
        """What a launch may ask for at most."""
        return self._max_shared

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size):
        if size > SHARED_AT_MOST:
            raise ValueError(f"{self.name}: expected at most {SHARED_AT_MOST} bytes of shared memory, got {size}")
        self._max_shared = size

    def __call__(self, grid, block, args, *, shared_mem=0):
        """Run the kernel on every block of the grid; arrays are written in place."""
        grid, block = _three(grid), _three(block)
        self._check_sizes(grid, block, shared_mem)
        parameters = self._signature.parameters
        if len(args) != len(parameters):
            raise ValueError(f"{self.name}: expected {len(parameters)} arguments, got {len(args)}")
        values = [self._converted(i, *pair) for i, pair in enumerate(zip(args, parameters))]
        request = struct.pack("9Q", self._signature.number, *grid, *block, shared_mem, self._seed)
        error = self._run(request, values)
        if error:
            raise EmulationError(f"{self.name}: {error}")

    def _check_sizes(self, grid, block, shared_mem):
        if not all(1 <= size <= limit for size, limit in zip(grid, MAX_GRID)):
            raise ValueError(f"{self.name}: expected a grid from (1, 1, 1) to {MAX_GRID}, got {grid}")
        threads, limit = math.prod(block), min(MAX_THREADS, self._signature.max_threads)
        if not all(1 <= size <= limit for size, limit in zip(block, MAX_BLOCK)) or threads > limit:
            raise ValueError(f"{self.name}: expected a block of 1 to {limit} threads, got {block}")
        if math.prod(grid) * threads > self._max_in_all:
            raise ValueError(f"{self.name}: expected at most {self._max_in_all} threads in all, got {grid} x {block}")
        if not 0 <= shared_mem <= self._max_shared:
            hint = "; more than 48 KB must be allowed by max_dynamic_shared_size_bytes"
            raise ValueError(
                f"{self.name}: expected at most {self._max_shared} bytes of shared memory, got {shared_mem}{hint}"
            )

    def _converted(self, number, argument, parameter):
        """Return an argument that fits the parameter, as an `Argument`."""
        where = f"{self.name}, argument {number}"
        argument = _as_argument(where, argument)
        if argument.kind != (parameter.kind, parameter.size):
            wanted, given = (f"{kind} of {size} bytes" for kind, size in (parameter[:2], argument.kind))
            raise ValueError(f"{where}: expected {wanted}, got {given}")
        if argument.is_array and parameter.pointee not in (0, argument.array.itemsize):
            raise ValueError(f"{where}: expected elements of {parameter.pointee} bytes, got {argument.array.dtype}")
        return argument


class Argument(NamedTuple):
    """An array, passed by its address, or a number in an array without axes, passed by its value."""

    array: np.ndarray
    is_array: bool

    @property
    def kind(self):
        """What it is to a kernel: kind and size in bytes, as in `Parameter`."""
        if self.is_array:
            return "pointer", 8
        kinds = {"f": "floating", "i": "integer", "u": "integer", "b": "integer"}
        return kinds.get(self.array.dtype.kind, "struct"), self.array.itemsize


def _as_argument(where, argument):
    """Convert as CuPy does: a Python int has 8 bytes, and so has a float."""
    array = getattr(argument, "host", argument)
    if isinstance(array, np.ndarray):
        if not array.flags.c_contiguous:
            raise ValueError(f"{where}: expected a C-contiguous array, got strides {array.strides}: nobody heeds them")
        return Argument(array, True)
    if not isinstance(argument, bool | int | float | np.generic):
        raise ValueError(f"{where}: expected an array or a number, got {type(argument).__name__}")
    return Argument(np.asarray(argument), False)


def _three(sizes):
    return (*sizes, 1, 1, 1)[:3]


# --- sources ----------------------------------------------------------------------------------------------------------


def _whole_source(code, options):
    """Return what g++ compiles: the emulator, the macros, the kernels, and the table of their names."""
    for wrappers in PTX:
        code = code.replace(wrappers.read_text(encoding="utf-8"), "")
    table = _table(code)
    # Behind the headers, which a short name could break.
    macros = [_macro(option) for option in options if option.startswith("-D")]
    return "\n".join([f'#include "{HEADERS[-1]}"', *macros, '#line 1 "kernel.cu"', code, table, ""])


def _macro(option):
    name, _, value = option.removeprefix("-D").partition("=")
    return f"#define {name} {value or 1}"


def _table(code):
    """Return the table of the kernels; refuse a source that departs from what the emulator knows."""
    code = COMMENT.sub("", code)
    kernels = [(match["name"], match["bounds"] or MAX_THREADS) for match in KERNEL.finditer(code)]
    if not kernels or len(kernels) != len(re.findall(r"\b__global__\b", code)):
        form = 'extern "C" __global__ void __launch_bounds__(N) name(...)'
        raise ValueError(f"expected every kernel as {form}, found so: {[name for name, _ in kernels]}")
    if "__shared__" in SHARED.sub("", code):
        form = "extern __shared__ __align__(128) unsigned char shared[];"
        raise ValueError(f"expected shared memory to be declared only as: {form}")
    if re.search(r"\basm\b", code):
        raise ValueError("inline PTX has no meaning for a CPU: it belongs in ptx.cuh, and its meaning in ptx.hpp")
    rows = [f'describe<&::{name}>("{name}", first({bounds}), &::{name})' for name, bounds in kernels]
    return (
        f"const emulator::Kernel emulator::kernels[] = {{{', '.join(rows)}}};\n"
        f"const size_t emulator::kernel_count = {len(rows)};"
    )


def _parse_description(text):
    """Return the signatures by name."""
    signatures = {}
    for number, line in enumerate(text.splitlines()):
        name, max_threads, *parameters = line.split(",")
        parameters = [(kind, int(size), int(pointee)) for kind, size, pointee in map(str.split, parameters)]
        signatures[name] = Signature(number, int(max_threads), tuple(Parameter(*each) for each in parameters))
    return signatures


# --- builds -----------------------------------------------------------------------------------------------------------


def _folder():
    """Return this user's folder for what was built."""
    folder = Path(tempfile.gettempdir()) / f"minisora-emulator-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder


def _build(source, sanitizer):
    """Compile and link a source, unless that was done before; return the path of the library or program."""
    common = f"{COMMON_FLAGS} {FLAGS[sanitizer]}".split()
    runtime = _made(RUNTIME.read_text(encoding="utf-8"), [*common, "-O2", "-c", f"-I{HERE}"])
    checks = [] if sanitizer else CHECKS.split()
    kernel = _made(source, [*common, *KERNEL_FLAGS.split(), *checks])
    return _made("", [*LINK_FLAGS[sanitizer].split(), str(runtime), str(kernel)])


def _made(source, flags):
    """Return the path of what g++ makes of a source, now or before."""
    headers = [header.read_text(encoding="utf-8") for header in HEADERS]
    key = hashlib.sha256("\0".join([source, *flags, *headers, _compiler()]).encode()).hexdigest()[:32]
    target = _folder() / key
    if not target.exists():
        _make(source, flags, target)
    return target


def _make(source, flags, target):
    """Compile, aside and then into its place: another process may be doing the same."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        path, made = Path(folder, "kernel.cpp"), Path(folder, "made")
        path.write_text(source, encoding="utf-8")
        command = ["g++", *flags, *([str(path)] if source else []), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EmulationError(f"the kernel does not compile:\n{done.stderr[:6000]}")
        made.replace(target)


@cache
def _compiler():
    return subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True).stdout


def _load(build):
    """Return the function that launches kernels of a library, and the description of these."""
    library = ctypes.CDLL(str(build))
    library.emulator_describe.restype = library.emulator_launch.restype = ctypes.c_char_p

    def run(request, arguments):
        places = [_place(argument) for argument in arguments]
        addresses = (ctypes.c_void_p * len(places))(*map(ctypes.addressof, places))
        return library.emulator_launch(request, addresses).decode()

    return run, library.emulator_describe().decode()


def _place(argument):
    """Return memory that holds what the kernel is given: an address or a value."""
    if argument.is_array:
        return ctypes.c_void_p(argument.array.ctypes.data)
    return ctypes.create_string_buffer(argument.array.tobytes(), argument.array.itemsize)


def _program(build):
    """Return the function that launches kernels of a sanitized program, and the description of these.

    A sanitizer wants to be there before everything else, which it cannot be in Python: each launch is a process, which
    reads the arguments and writes the arrays.
    """

    def run(request, arguments):
        message = request + struct.pack("Q", len(arguments))
        for argument in arguments:
            message += struct.pack("2Q", argument.is_array, argument.array.nbytes) + argument.array.tobytes()
        done = _run_sanitized([str(build)], message)
        if done.returncode:
            return _in_short(done.stderr.decode(errors="replace"))
        _give_back(done.stdout, [argument.array for argument in arguments if argument.is_array])
        return ""

    return run, _run_sanitized([str(build), "describe"], b"").stdout.decode()


def _run_sanitized(command, message):
    environment = os.environ | SANITIZER_OPTIONS
    done = subprocess.run(command, input=message, capture_output=True, env=environment, check=False)
    if b"unexpected memory mapping" in done.stderr:  # where addresses are more random than ThreadSanitizer can take
        command = ["setarch", "-R", *command]
        done = subprocess.run(command, input=message, capture_output=True, env=environment, check=False)
    return done


def _in_short(report):
    """Return what a sanitizer's report says of the kernel: without the emulator's own frames and the dump of memory."""
    report = report.partition("Shadow bytes around")[0].partition("SUMMARY")[0]
    report = re.sub(r" \(\w{32}\+0x\w+\)| \(tid=\d+, \w+\) created by main thread at:", "", report)
    report = re.sub(r"\S*/kernel\.cu:", "kernel.cu:", report)
    return "\n".join(line for line in report.splitlines() if "kernel.cu:" in line or not NOISE.match(line))


def _give_back(data, arrays):
    """Write what the arrays hold after the launch into them."""
    start = 0
    for array in arrays:
        end = start + array.nbytes
        if array.flags.writeable:
            array.reshape(-1).view(np.uint8)[:] = np.frombuffer(data[start:end], np.uint8)
        start = end
