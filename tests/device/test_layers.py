"""Every layer on the device: the values of the host, and no copy between the two."""

import sys
import zlib

import numpy as np
import pytest

from minisora.gradcheck.built_in import named_checks
from minisora.kernels import attention_forward, attention_steps, get_backend, keep_mask
from minisora.kernels.random import DropoutKey
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.embedding import TokenEmbedding, scatter_add
from minisora.layers.layer import Layer, Parameter
from minisora.layers.linear import Linear, TiedLinear
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.layers.positional import sinusoidal_table
from minisora.layers.recurrent import Recurrent

pytestmark = pytest.mark.fake_device


def probe_of(check):
    """The layer of a gradient check with its inputs, the same at every call."""
    return check.build(np.random.default_rng(zlib.crc32(check.name.encode())))


def forward(probe, inputs, masks):
    key = {} if probe.key is None else {"key": probe.key}
    out, cache = probe.layer.forward(*inputs.values(), **key, **masks)
    return out if isinstance(out, tuple) else (out,), cache


def gradients(probe, dout, cache):
    dinputs = probe.layer.backward(dout, cache)
    return dinputs if isinstance(dinputs, tuple) else (dinputs,)


ON_THE_HOST = {"Word2Vec", "GloVe"}  # formulas of minisora.text, which no model holds
ON_THE_DEVICE = [check for check in named_checks() if check.layer not in ON_THE_HOST]


@pytest.mark.parametrize("check", [pytest.param(check, id=check.name) for check in ON_THE_DEVICE])
def test_forward_and_backward_are_those_of_the_host(check, device, to_device, same_scatter_add):
    here, there = probe_of(check), probe_of(check)
    there.layer.to("cuda")
    inputs, masks = to_device(there.inputs), to_device(there.masks)
    outs, cache = forward(here, here.inputs, here.masks)
    dout = 0.37 if np.ndim(outs[0]) == 0 else np.random.default_rng(2).normal(size=outs[0].shape)
    device_dout = to_device(dout)
    device.transfers.clear()
    device_outs, device_cache = forward(there, inputs, masks)
    grads, device_grads = gradients(here, dout, cache), gradients(there, device_dout, device_cache)
    assert device.transfers == []
    for own, other in zip((*outs, *grads), (*device_outs, *device_grads), strict=True):
        assert_same(own, other, device)
    for (_, own), (name, other) in zip(here.layer.parameters(), there.layer.parameters(), strict=True):
        assert_same(own.grad, other.grad, device, name)


def assert_same(host, other, device, name=""):
    """The same bits, or None on both sides."""
    if host is None:
        assert other is None
        return
    assert type(other) is device.ndarray and other.dtype == host.dtype, name
    np.testing.assert_array_equal(device.asnumpy(other), host, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_repeated_ids_are_added_without_losing_one(rng, device, dtype):
    """By hand: rows 0 and 2 go to id 3, row 1 to id 0; what was in the table stays."""
    rows = rng.normal(size=(3, 5)).astype(dtype)
    table = device.asarray(np.ones((4, 5), dtype))
    ids = device.asarray(np.array([3, 0, 3]))
    device.transfers.clear()
    scatter_add(table, ids, device.asarray(rows))
    assert len(device.transfers) == 1 and table.dtype == dtype  # the rows
    expected = np.array([1 + rows[1], np.ones(5), np.ones(5), 1 + rows[0] + rows[2]])
    np.testing.assert_allclose(device.asnumpy(table), expected, rtol=1e-6 if dtype == np.float32 else 1e-14)


def test_rows_are_added_in_their_own_precision(device):
    """float64 would take many times as long on a GPU; here it would round once, to 1 + 2^-23."""
    small = np.float32(2**-24)
    table = device.asarray(np.array([[small]]))
    scatter_add(table, device.asarray(np.array([0, 0])), device.asarray(np.array([[1], [small]], np.float32)))
    assert device.asnumpy(table) == 1


def test_no_key_at_all(rng, device):
    """S = 0: there is no maximum, the output is 0."""
    q, k, v = (device.asarray(rng.normal(size=(2, 3, length, 5))) for length in (4, 0, 0))
    out, cache = attention_forward(q, k, v)
    np.testing.assert_array_equal(device.asnumpy(out), np.zeros((2, 3, 4, 5)))
    np.testing.assert_array_equal(device.asnumpy(cache.lse), np.full((2, 3, 4), -np.inf))
    assert attention_steps(cache).weights.shape == (2, 3, 4, 0)


@pytest.mark.parametrize("name", ["numpy", "auto"])
def test_attention_chosen_by_name(rng, device, name):
    q, k, v = (rng.normal(size=(2, 3, length, 5)).astype(np.float32) for length in (4, 7, 7))
    out, cache = get_backend(name).forward(*map(device.asarray, (q, k, v)), causal=True)
    grads = get_backend(name).backward(device.asarray(np.ones_like(q)), cache)
    expected, host_cache = get_backend(name).forward(q, k, v, causal=True)
    assert_same(expected, out, device)
    for own, other in zip(get_backend(name).backward(np.ones_like(q), host_cache), grads, strict=True):
        assert_same(own, other, device)


def test_attention_in_numba_says_that_it_is_for_the_host(rng, device):
    q = device.asarray(rng.normal(size=(2, 3, 4, 5)))
    with pytest.raises(ValueError, match=r"expects float32 or float64 arrays of NumPy, got cupy\.ndarray"):
        get_backend("numba").forward(q, q, q)


def test_the_mask_of_dropout_has_the_same_bits(device):
    """More rows than NumPy hashes at a time."""
    shape = (3, 701, 41)
    assert_same(keep_mask(0.3, DropoutKey(7), shape, np), keep_mask(0.3, DropoutKey(7), shape, device), device)


def test_the_table_of_positions_is_made_on_the_device(device):
    assert_same(sinusoidal_table(16, 7), sinusoidal_table(16, 7, device), device)
    assert device.transfers[0].direction == "to_host"  # the test's own look


class Pair(Layer):
    def __init__(self, rng):
        self.first = Linear(2, 3, rng)
        self.second = TiedLinear(self.first.weight)
        self.scale = Parameter(np.ones(7))


def test_data_and_gradients_move_to_the_device_and_back(rng, device):
    layer = Pair(rng)
    for _, parameter in layer.parameters():
        parameter.grad += rng.normal(size=parameter.grad.shape).astype(parameter.grad.dtype)
    before = [(parameter.data, parameter.grad) for _, parameter in layer.parameters()]
    assert layer.to("cuda") is layer
    assert len(device.transfers) == 6  # data and gradient of three parameters: a shared one moves once
    for (data, grad), (_, parameter) in zip(before, layer.parameters(), strict=True):
        assert_same(data, parameter.data, device)
        assert_same(grad, parameter.grad, device)
    assert layer.second.table is layer.first.weight
    layer.to("cpu")
    for (data, grad), (_, parameter) in zip(before, layer.parameters(), strict=True):
        np.testing.assert_array_equal(parameter.data, data, strict=True)
        np.testing.assert_array_equal(parameter.grad, grad, strict=True)


def test_gradients_are_set_to_zero_on_the_device(rng, device):
    layer = Pair(rng).to("cuda")
    layer.scale.grad += 1
    device.transfers.clear()
    layer.zero_grad()
    assert device.transfers == [] and not layer.scale.grad.host.any()


def test_the_device_without_cupy_says_what_to_install(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # as if it were not there
    with pytest.raises(ValueError, match=r"device 'cuda' needs CuPy: pip install 'minisora\[cuda12\]'"):
        Pair(rng).to("cuda")


def test_the_device_without_a_gpu_says_so(rng, device):
    device.is_available = lambda: False
    with pytest.raises(ValueError, match="device 'cuda' needs an NVIDIA GPU and its driver, and CuPy finds none"):
        Pair(rng).to("cuda")


def test_inputs_on_the_host_are_one_sentence(rng, device):
    """The mask on the device and the array on the host, and the other ways to have two places."""
    embedding = TokenEmbedding(11, 6, rng).to("cuda")
    ids = np.array([[3, 4, 5]])
    expected = "token ids and the embedding's table are expected in one place, got token ids on the host and .* the GPU"
    with pytest.raises(ValueError, match=expected):
        embedding(ids)
    attention = MultiHeadAttention(6, 2, rng)
    x, mask = rng.normal(size=(1, 3, 6)).astype(np.float32), np.array([[True, True, False]])
    with pytest.raises(ValueError, match="got the key mask on the GPU and the keys on the host"):
        attention(x, key_mask=device.asarray(mask))
    with pytest.raises(ValueError, match="got the key mask on the host and the keys on the GPU"):
        attention.to("cuda")(device.asarray(x), key_mask=mask)
    with pytest.raises(ValueError, match="got targets on the host and logits on the GPU"):
        SoftmaxCrossEntropy()(device.asarray(x), ids)
    with pytest.raises(ValueError, match="got the key mask on the GPU and the sequences on the host"):
        Recurrent(6, 5, rng)(x, key_mask=device.asarray(mask))
