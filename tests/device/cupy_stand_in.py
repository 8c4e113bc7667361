"""A stand-in for CuPy on a machine without a GPU: NumPy inside, and nothing passes between host and device unseen.

An array of the stand-in keeps a NumPy array in ``host`` and is none itself: a subclass of numpy.ndarray would slip
through ``np.asarray``. What CuPy refuses is refused here, in its words; what CuPy copies without being asked is written
down in ``transfers``. Only those parts of CuPy exist that are listed below, so the lists say what minisora relies on.

They were read off CuPy 14.2, which can be imported without a GPU; `test_the_lists_are_those_of_cupy` does it again.
Stricter than CuPy: ``np.exp(array)`` and the like, which CuPy answers with its own function, where a layer is to ask
``array_module``; and a list or NumPy array assigned to an array of indices, which CuPy copies.

What no stand-in shows: other rounding, what a kernel does wrong, two GPUs, streams that overlap, time.
"""

import operator
import time
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import numpy as np

# Functions that compute, and the arguments that CuPy has for them.
FUNCTIONS = {
    "arange": "start stop step dtype",
    "argsort": "a axis kind",
    "ascontiguousarray": "a dtype",
    "concatenate": "tup axis out dtype casting",
    "dot": "a b out",
    "empty": "shape dtype order",
    "full": "shape fill_value dtype order",
    "ones": "shape dtype order",
    "sort": "a axis kind",
    "stack": "tup axis out dtype casting",
    "tri": "N M k dtype",
    "where": "condition x y",
    "zeros": "shape dtype order",
    "zeros_like": "a dtype order subok shape",
}
# Functions of each element: CuPy's take `out`.
UFUNCS = (
    "abs bitwise_xor cos divide exp greater_equal isfinite log log1p maximum minimum multiply right_shift sign sin "
    "sqrt subtract tanh"
).split()
# Methods that stay on the device, and their arguments; CuPy's `max` has no `initial` and no `where`.
METHODS = {
    "any": "axis out keepdims",
    "argmax": "axis out dtype keepdims",
    "astype": "dtype order casting subok copy",
    "copy": "order",
    "cumsum": "axis dtype out",
    "fill": "value",
    "max": "axis out keepdims",
    "min": "axis out keepdims",
    "mean": "axis dtype out keepdims",
    "reshape": "*shape order",
    "sum": "axis dtype out keepdims",
    "swapaxes": "axis1 axis2",
}
PROPERTIES = "dtype flags nbytes ndim shape size strides".split()  # of the array, known on the host
VIEWS = "T imag real".split()
CONSTANTS = ("inf",)
# What waits for the device and copies from it.
READS = "__bool__ __complex__ __float__ __format__ __int__ __repr__ __str__ item tolist".split()
BINARY = "add sub mul truediv floordiv pow matmul and or xor rshift".split()
COMPARISONS = "lt le gt ge eq ne".split()
UNARY = "neg invert".split()


class Transfer(NamedTuple):
    """One copy between host and device."""

    direction: str  # "to_device" or "to_host"
    how: str  # what asked for it
    shape: tuple


transfers = []  # in order


class ndarray:
    """An array on the device."""

    __module__ = "cupy"
    __slots__ = ("host",)
    __hash__ = None

    def __init__(self, host):
        self.host = host

    def __array__(self, *args, **kwargs):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
            "explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        """What NumPy calls for ``scalar * array`` and ``numpy_array * array``, and for ``np.multiply`` itself."""
        operands = [_operand(value) for value in (*inputs, *kwargs.get("out", ()))]
        if method != "__call__" or kwargs or not any(isinstance(value, np.generic) for value in inputs):
            raise TypeError(f"np.{ufunc.__name__} was given an array on the device: ask array_module for the library")
        return _on_device(ufunc(*operands))

    def __array_function__(self, function, types, args, kwargs):
        raise TypeError(f"np.{function.__name__} was given an array on the device: ask array_module for the library")

    def __getitem__(self, index):
        return _on_device(self.host[_index(index)])

    def __setitem__(self, index, value):
        if isinstance(value, np.ndarray | list | tuple):
            raise ValueError(f"non-scalar {type(value).__name__} cannot be used for fill")
        self.host[_index(index)] = _operand(value)

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __deepcopy__(self, memo):
        return self.copy()

    def get(self):
        """Return a copy on the host."""
        _note("to_host", "get", self)
        return self.host.copy()

    @property
    def data(self):
        return SimpleNamespace(ptr=self.host.ctypes.data)

    @property
    def device(self):
        return Device(0)


def _note(direction, how, array):
    transfers.append(Transfer(direction, how, np.shape(array.host if isinstance(array, ndarray) else array)))


def _operand(value):
    """What NumPy is to compute with: CuPy takes its own arrays and scalars, and nothing else."""
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, bool | int | float | complex | np.generic):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


def _argument(value):
    """The same for a function's argument, which may also be a type, a shape or a list of arrays."""
    if isinstance(value, list | tuple):
        return type(value)(_argument(part) for part in value)
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    return value.host if isinstance(value, ndarray) else value


def _index(index):
    """An index for NumPy; with an ellipsis it gives a view of a single entry, as in CuPy, and not a scalar."""
    parts = tuple(_index_part(part) for part in (index if isinstance(index, tuple) else (index,)))
    return parts if any(part is Ellipsis for part in parts) else (*parts, Ellipsis)


def _index_part(part):
    if isinstance(part, ndarray):
        if part.dtype == bool:
            _note("to_host", "count of a boolean index", part)
        return part.host
    if isinstance(part, np.ndarray | list):
        _note("to_device", "index", part)
    return part


def _on_device(result):
    """A result of NumPy as one of CuPy: a scalar is an array of no dimensions."""
    return ndarray(np.asarray(result)) if isinstance(result, np.ndarray | np.generic) else result


def _check_arguments(name, known, args, kwargs):
    """CuPy's functions lack some arguments of NumPy's."""
    names = known.split()
    if len(args) > len(names) and not known.startswith("*"):
        raise TypeError(f"{name}() takes at most {len(names)} arguments ({len(args)} given)")
    if unknown := sorted(kwargs.keys() - set(names)):
        raise TypeError(f"{name}() got an unexpected keyword argument '{unknown[0]}'")


def _computing(name, function, known, given_before=0):
    """A function of NumPy on what the arrays of the stand-in keep; a method is given its array before the rest."""

    def on_device(*args, **kwargs):
        _check_arguments(name, known, args[given_before:], kwargs)
        result = function(*map(_argument, args), **{key: _argument(value) for key, value in kwargs.items()})
        return kwargs["out"] if kwargs.get("out") is not None else _on_device(result)

    on_device.__name__ = name
    return on_device


def _reading(name):
    def read(self, *args):
        _note("to_host", name, self)
        return getattr(self.host, name)(*args)

    return read


def _operator(name, reflected=False):
    compute = getattr(operator, f"__{name}__")

    def binary(self, other):
        operands = self.host, _operand(other)
        return _on_device(compute(*(reversed(operands) if reflected else operands)))

    return binary


def _in_place(name):
    compute = getattr(operator, f"__i{name}__")

    def update(self, other):
        self.host = compute(self.host, _operand(other))
        return self

    return update


def _equip():
    """Give the array its methods, from the lists above."""
    for name, known in METHODS.items():
        setattr(ndarray, name, _computing(name, getattr(np.ndarray, name), known, given_before=1))
    for name in PROPERTIES:
        setattr(ndarray, name, property(lambda self, name=name: getattr(self.host, name)))
    for name in VIEWS:
        setattr(ndarray, name, property(lambda self, name=name: _on_device(getattr(self.host, name))))
    for name in READS:
        setattr(ndarray, name, _reading(name))
    for name in BINARY:
        setattr(ndarray, f"__{name}__", _operator(name))
        setattr(ndarray, f"__r{name}__", _operator(name, reflected=True))
        setattr(ndarray, f"__i{name}__", _in_place(name))
    for name in COMPARISONS:
        setattr(ndarray, f"__{name}__", _operator(name))
    for name in UNARY:
        compute = getattr(operator, f"__{name}__")
        setattr(ndarray, f"__{name}__", lambda self, compute=compute: _on_device(compute(self.host)))


def asarray(a, dtype=None):
    """Bring an array or a list to the device; one that is there stays."""
    if isinstance(a, ndarray):
        return a if dtype is None else a.astype(dtype, copy=False)
    _note("to_device", "asarray", a)
    return ndarray(np.array(a, dtype))


def asnumpy(a):
    """Bring an array to the host; one that is there stays."""
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def empty(*args, **kwargs):
    """As CuPy's, filled with what nobody would take for a result."""
    array = _computing("empty", np.empty, FUNCTIONS["empty"])(*args, **kwargs)
    array.host.fill(np.nan if array.dtype.kind in "fc" else 85)
    return array


def empty_like(prototype):
    """As CuPy's, filled likewise."""
    return empty(prototype.shape, prototype.dtype)


def where(condition, x, y):
    """As CuPy's, whose condition is an array on the device: not even True or False will do."""
    return _computing("where", np.where, FUNCTIONS["where"])(condition.astype(bool, copy=False), x, y)


def einsum(subscripts, *operands):
    """The sum that the subscripts describe."""
    return _on_device(np.einsum(subscripts, *map(_operand, operands)))


def _unknown(name):
    raise AttributeError(f"the stand-in for CuPy does not know {name}: is it in CuPy, and should it be listed?")


class Device:
    """The one GPU, an H100 or H200 by its properties."""

    compute_capability = "90"

    def __init__(self, id):
        self.id, self.attributes = id, {"MaxSharedMemoryPerBlockOptin": 227 << 10}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Event:
    """A moment: here everything has been done when a call returns."""

    def record(self):
        self.moment = time.perf_counter()

    def synchronize(self):
        pass


def _make_cuda():
    """CuPy's ``cuda``."""
    properties = {
        "name": b"stand-in for a GPU", "totalGlobalMem": 3 << 29, "multiProcessorCount": 132, "major": 9, "minor": 0,
    }  # fmt: skip
    runtime = SimpleNamespace(
        getDevice=lambda: 0,
        getDeviceProperties=lambda device: properties,
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13000,
    )
    return SimpleNamespace(
        runtime=runtime,
        nvrtc=SimpleNamespace(getVersion=lambda: (13, 0)),
        Device=Device,
        Event=Event,
        get_elapsed_time=lambda begin, end: 1000 * (end.moment - begin.moment),
    )


def make_cupy():
    """Return the module; attributes can be set, such as ``cupy.RawModule``."""
    cupy = ModuleType("cupy", __doc__)
    for name, known in FUNCTIONS.items():
        setattr(cupy, name, _computing(name, getattr(np, name), known))
    for name in UFUNCS:
        setattr(cupy, name, _computing(name, getattr(np, name), "x1 x2 out"))
    for name in CONSTANTS:
        setattr(cupy, name, getattr(np, name))
    for own in (ndarray, asarray, asnumpy, empty, empty_like, where, einsum):
        setattr(cupy, own.__name__, own)
    cupy.cuda = _make_cuda()
    cupy.is_available = lambda: True
    cupy.__getattr__ = _unknown
    return cupy


_equip()
