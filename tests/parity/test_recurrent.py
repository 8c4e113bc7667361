"""Recurrent layers and stacks against torch.nn.RNN, GRU and LSTM, at random sizes and depths, padded and not.

Torch has two biases for every gate, which are added up everywhere but inside a GRU's candidate: ours has their sum, and
its gradient is that of either.
"""

import numpy as np
import pytest

from minisora.layers.recurrent import Bidirectional, Recurrent, RecurrentStack

torch = pytest.importorskip("torch", reason="parity tests need torch: pip install 'minisora[parity]'")
nn = torch.nn

MODULES = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
ORDER = {"rnn": [0], "gru": [0, 1, 2], "lstm": [0, 1, 3, 2]}  # torch's LSTM has i, f, g, o
CELL = pytest.mark.parametrize("cell", MODULES)
PADDING = pytest.mark.parametrize("padding", [False, True], ids=["no-padding", "padding"])


def gates(array, cell):
    """Torch's (G d_h, ...) as ours, (..., G d_h)."""
    parts = np.split(array, len(ORDER[cell]))
    return np.concatenate([parts[k] for k in ORDER[cell]]).T


def direction(module, cell, suffix, read, add=np.add):
    """The parameters of one direction of one layer by minisora's names; ``add`` joins its two biases."""
    w, u, b, c = (
        gates(read(getattr(module, f"{name}_{suffix}")), cell)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    d_h = len(u)
    if cell != "gru":
        return {"w_x.weight": w, "w_x.bias": add(b, c), "u": u}
    bias = np.concatenate([add(b, c)[: 2 * d_h], b[2 * d_h :]])
    return {"w_x.weight": w, "w_x.bias": bias, "u": u, "c": c[2 * d_h :]}


def layer_arrays(module, cell, number, read, add=np.add):
    ways = {"left_to_right.": "", "right_to_left.": "_reverse"} if module.bidirectional else {"": ""}
    return {
        way + name: array
        for way, suffix in ways.items()
        for name, array in direction(module, cell, f"l{number}{suffix}", read, add).items()
    }


def arrays_of(layer, module, cell, read, add=np.add):
    """All parameters by minisora's names, read from a torch module."""
    if not isinstance(layer, RecurrentStack):
        return layer_arrays(module, cell, 0, read, add)
    return {
        f"layers.{i}.{name}": array
        for i in range(module.num_layers)
        for name, array in layer_arrays(module, cell, i, read, add).items()
    }


def torch_pass(module, x, lengths, dout):
    """Output (B, S, d_out), 0 at padding, and dx."""
    x = torch.tensor(x, requires_grad=True)
    if lengths is None:
        out, _ = module(x)
    else:
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        out, _ = nn.utils.rnn.pad_packed_sequence(module(packed)[0], batch_first=True, total_length=x.shape[1])
    out.backward(torch.from_numpy(dout))
    return out.detach().numpy(), x.grad.numpy()


def hold(parity, rng, layer, cell, *, padding, d_in, d_out, layers=1, both=False):
    """Forward and backward of both on the same numbers, compared as everywhere in this folder."""
    module = MODULES[cell](d_in, d_out // (1 + both), layers, batch_first=True, bidirectional=both, dtype=torch.float64)
    parity.randomize(module, rng)
    for name, parameter in layer.parameters():
        value = arrays_of(layer, module, cell, lambda p: p.detach().numpy())[name]
        assert parameter.data.shape == value.shape, name
        parameter.data[...] = value
    batch, length = parity.draw_sizes(rng, 2, smallest=3)
    x, dout = rng.normal(size=(batch, length, d_in)), rng.normal(size=(batch, length, d_out))
    lengths = rng.integers(1, length + 1, batch) if padding else None
    mask = None if lengths is None else np.arange(length) < lengths[:, None]
    theirs, dx = torch_pass(module, x, lengths, dout)
    out, cache = layer.forward(x, key_mask=mask)
    grads = {"dx": layer.backward(dout, cache)} | {name: parameter.grad for name, parameter in layer.parameters()}
    true = arrays_of(layer, module, cell, lambda p: p.grad.numpy(), add=lambda b, c: b)
    parity.assert_parity(parity.Pass(out, grads), parity.Pass(theirs, {"dx": dx} | true))


@CELL
@PADDING
def test_one_direction(parity, rng, cell, padding):
    d_in, d_h = parity.draw_sizes(rng, 2)
    layer = Recurrent(d_in, d_h, rng, cell=cell, dtype=np.float64)
    hold(parity, rng, layer, cell, padding=padding, d_in=d_in, d_out=d_h)


@CELL
@PADDING
def test_both_directions(parity, rng, cell, padding):
    d_in, d_h = parity.draw_sizes(rng, 2)
    layer = Bidirectional(d_in, 2 * d_h, rng, cell=cell, dtype=np.float64)
    hold(parity, rng, layer, cell, padding=padding, d_in=d_in, d_out=2 * d_h, both=True)


@CELL
@PADDING
@pytest.mark.parametrize("both", [False, True], ids=["one-way", "both-ways"])
def test_stack(parity, rng, cell, padding, both):
    half, layers = int(rng.integers(2, 6)), int(rng.integers(2, 4))
    layer = RecurrentStack(2 * half, layers, rng, cell=cell, bidirectional=both, dtype=np.float64)
    hold(parity, rng, layer, cell, padding=padding, d_in=2 * half, d_out=2 * half, layers=layers, both=both)
