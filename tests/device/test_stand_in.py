"""The stand-in itself: it refuses what CuPy refuses, and writes down every copy between host and device."""

import copy
import inspect

import numpy as np
import pytest

from minisora.kernels import array_module
from minisora.layers.layer import Layer, Parameter

pytestmark = pytest.mark.fake_device


@pytest.fixture
def x(device):
    """An array (2, 3) on the device, before anything has been written down."""
    array = device.asarray(np.arange(6.0).reshape(2, 3))
    device.transfers.clear()
    return array


HOST = np.ones(3)


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, xp: np.asarray(x),
        lambda x, xp: np.array(x),
        lambda x, xp: x + HOST,
        lambda x, xp: HOST + x,
        lambda x, xp: np.less(HOST, x),
        lambda x, xp: x @ HOST,
        lambda x, xp: x.__iadd__(HOST),
        lambda x, xp: HOST.__iadd__(x[0]),
        lambda x, xp: HOST.__setitem__(slice(None), x[0]),
        lambda x, xp: xp.maximum(x, HOST),
        lambda x, xp: xp.exp(HOST),
        lambda x, xp: xp.exp(x, out=np.ones((2, 3))),
        lambda x, xp: xp.where(x > 0, x, HOST),
        lambda x, xp: xp.where(True, x, x),
        lambda x, xp: xp.stack([x, np.ones((2, 3))]),
        lambda x, xp: xp.einsum("bd,d->b", x, HOST),
        lambda x, xp: xp.dot(HOST, HOST),
        lambda x, xp: x.__setitem__(0, HOST),
        lambda x, xp: x.__setitem__(0, [1.0, 2.0, 3.0]),
        lambda x, xp: x + [1.0, 2.0, 3.0],
        lambda x, xp: x == "text",
        lambda x, xp: np.exp(x),
        lambda x, xp: np.add(x, x),
        lambda x, xp: np.add.reduce(x),
        lambda x, xp: np.where(x > 0, x, 0),
        lambda x, xp: np.sum(x),
        lambda x, xp: hash(x),
        lambda x, xp: [10, 20, 30][xp.zeros((), int)],
        lambda x, xp: range(xp.zeros((), int)),
        lambda x, xp: len(x[0, 0]),
        lambda x, xp: list(x[0, 0]),
        lambda x, xp: setattr(x, "note", 1),
    ],
)
def test_what_mixes_host_and_device_is_refused(x, device, mix):
    with pytest.raises((TypeError, ValueError, AttributeError)):
        mix(x, device)
    assert device.transfers == []


@pytest.mark.parametrize(
    "missing",
    [
        lambda x, xp: x.max(axis=0, initial=0.0),
        lambda x, xp: x.sum(axis=0, where=x > 0),
        lambda x, xp: x.sum(0, None, None, False, 0.0),
        lambda x, xp: xp.exp(x, where=x > 0),
        lambda x, xp: xp.arange(3, device="cpu"),
    ],
)
def test_arguments_that_are_not_listed(x, device, missing):
    with pytest.raises(TypeError, match="argument"):
        missing(x, device)


def test_what_is_not_listed_does_not_exist(x, device):
    with pytest.raises(AttributeError, match="the stand-in for CuPy does not know erf"):
        device.erf(x)
    with pytest.raises(AttributeError):
        x.cumprod()
    assert not hasattr(device, "RawModule")
    device.RawModule = dict  # whoever needs more adds it
    assert device.RawModule is dict


@pytest.mark.parametrize(
    "read",
    [
        bool, int, float, complex, str, repr, "{:.2f}".format, lambda a: a.item(), lambda a: a.tolist(),
        lambda a: a.get(), lambda a: max(a, a + 1),
    ],
)  # fmt: skip
def test_every_look_at_a_value_is_a_copy_to_the_host(device, read):
    one = device.asarray(np.array(2))
    device.transfers.clear()
    read(one)
    assert [(transfer.direction, transfer.shape) for transfer in device.transfers] == [("to_host", ())]


def test_copies_that_are_asked_for(device):
    host = np.arange(3.0)
    array = device.asarray(host)
    host[0] = 7  # the device has its own
    np.testing.assert_array_equal(device.asnumpy(array), [0, 1, 2])
    assert device.asarray(array) is array and device.asnumpy(host) is host
    assert device.asarray(array, dtype=np.float32).dtype == np.float32
    assert [tuple(transfer) for transfer in device.transfers] == [
        ("to_device", "asarray", (3,)),
        ("to_host", "get", (3,)),
    ]


def test_copies_that_nobody_asked_for(x, device):
    """CuPy takes an index from the host without a word, and counts a boolean one before it can go on."""
    for index in (np.array([1, 0]), [1, 0], (slice(None), np.array([2]))):
        x[index]
    x[x > 2] = 0
    assert [transfer.direction for transfer in device.transfers] == ["to_device"] * 3 + ["to_host"]


def test_a_scalar_is_an_array_of_no_dimensions(x, device):
    total = x.sum()
    assert type(total) is device.ndarray and total.shape == () and total.ndim == 0
    entry = x[1, 2]
    entry += 10  # a view
    assert device.asnumpy(x)[1, 2] == 15


def test_what_computes_on_the_device_stays_there(x, device):
    y = np.float32(2) * x + 1 - x / np.float64(3)
    y **= 2
    y -= x[device.arange(2)]
    y[:, 1:] = 0.5
    y[0] = x[1]
    assert array_module(y) is device
    z = device.exp(y, out=y)
    assert z is y
    assert (3 - x).shape == (10.0**x).shape == (2, 3) and x.T.shape == (3, 2)
    assert [row.shape for row in x] == [(3,), (3,)] and len(x) == 2
    assert copy.deepcopy(x).host is not x.host and x.device.id == 0
    assert device.transfers == []


def test_an_empty_array_holds_nothing_that_looks_like_a_result(device):
    assert np.isnan(device.empty((2, 3)).host).all()
    assert (device.empty(3, np.int64).host == 85).all() and (device.empty((3,), dtype=bool).host).all()


@pytest.mark.filterwarnings("ignore")  # CuPy misses its libraries where there is no GPU
def test_the_lists_are_those_of_cupy(stand_in):
    cupy = pytest.importorskip("cupy")
    for name, known in stand_in.FUNCTIONS.items():
        assert set(known.split()) <= inspect.signature(getattr(cupy, name)).parameters.keys(), name
    for name in stand_in.UFUNCS:
        assert isinstance(getattr(cupy, name), cupy.ufunc), name
    for name, known in stand_in.METHODS.items():
        signature = getattr(cupy.ndarray, name).__doc__.partition(")")[0]  # Cython writes it there
        assert all(argument in signature for argument in known.split()), name
    others = [*stand_in.PROPERTIES, *stand_in.VIEWS, *stand_in.READS, "get", "device"]
    operators = [*stand_in.BINARY, *stand_in.COMPARISONS, *stand_in.UNARY]
    for name in (*others, *(f"__{name}__" for name in operators)):
        assert hasattr(cupy.ndarray, name), name
    assert not hasattr(cupy.ndarray, "__index__")
    for name in (*stand_in.CONSTANTS, "asarray", "asnumpy", "einsum", "is_available", "ndarray"):
        assert hasattr(cupy, name), name
    assert callable(cupy.cuda.runtime.getDevice) and callable(cupy.cuda.runtime.getDeviceProperties)


def test_every_listed_name_is_one_of_numpy(stand_in):
    """The stand-in computes with the function of the same name."""
    for name in (*stand_in.FUNCTIONS, *stand_in.UFUNCS):
        assert callable(getattr(np, name))
    for name in (*stand_in.METHODS, *stand_in.PROPERTIES, *stand_in.VIEWS):
        assert hasattr(np.ndarray, name)


class Scale(Layer):
    """out = scale * x, with a mistake planted in each subclass."""

    def __init__(self):
        self.scale = Parameter(np.array([2.0, 3.0, 4.0]))

    def forward(self, x, *, key=None):
        return x * self.scale.data, x

    def backward(self, dout, cache):
        self.scale.grad += (dout * cache).sum(axis=0)
        return dout * self.scale.data


class MaskOnTheHost(Scale):
    def forward(self, x, *, key=None):
        return x * self.scale.data * np.array([True, False, True]), x


class GradientOnTheHost(Scale):
    def backward(self, dout, cache):
        self.scale.grad = np.zeros(3)
        return super().backward(dout, cache)


class LooksAtAValue(Scale):
    def forward(self, x, *, key=None):
        return super().forward(x / float(x.max()))


class Decides(Scale):
    def backward(self, dout, cache):
        return super().backward(dout, cache) if (dout != 0).any() else dout


def one_pass(layer, device):
    """The transfers of a forward and a backward."""
    layer.to("cuda")
    x = device.asarray(np.arange(6.0).reshape(2, 3))
    device.transfers.clear()
    out, cache = layer.forward(x)
    layer.backward(out, cache)
    return list(device.transfers)


def test_a_layer_without_a_mistake_passes(device):
    assert one_pass(Scale(), device) == []


@pytest.mark.parametrize("layer", [MaskOnTheHost, GradientOnTheHost])
def test_a_layer_that_mixes_host_and_device_is_caught(device, layer):
    with pytest.raises(TypeError, match=r"Unsupported type <class 'numpy\.ndarray'>|Implicit conversion"):
        one_pass(layer(), device)


@pytest.mark.parametrize(("layer", "how"), [(LooksAtAValue, "__float__"), (Decides, "__bool__")])
def test_a_layer_that_looks_at_a_value_is_caught(device, layer, how):
    assert one_pass(layer(), device) == [("to_host", how, ())]
