"""Recurrence over time, forward and backward: one direction, both, and a stack of layers.

Hidden positions. Where ``key_mask`` is False, at the end of a row or inside it, the state passes through unchanged and
the output is 0; backward, the state's gradient passes through likewise and the position's own is 0. So a row of a
padded batch is the row without its padding, and reading from the right begins, in effect, at its last visible token.

Products. x W of all time steps is one product before the loop; in the loop stands h U alone. Forward it is a product
for each sequence, as in `minisora.layers.linear` and for the same reason: no neighbour in the batch may change it by a
bit. Backward, the gradients of W and U are one product each, of all time steps, behind the loop.
"""

from typing import Any, NamedTuple

import numpy as np

from minisora.kernels import array_module, child
from minisora.kernels.array_module import check_same_device
from minisora.kernels.attention_cache import check_key_mask
from minisora.layers.cells import named_cell
from minisora.layers.dropout import Dropout, DropoutCache
from minisora.layers.layer import Layer, Parameter, check_width
from minisora.layers.linear import Linear, LinearCache


class RecurrentCache(NamedTuple):
    w_x: LinearCache
    steps: list  # of S, by position: RNNStep, GRUStep or LSTMStep
    visible: Any  # (B, S, 1) bool, or None


class Recurrent(Layer):
    """h_t = cell(x_t W + b, h_{t-1} U), for t = 1, ..., S with h_0 = 0, or from the other end.

    Parameters
    ----------
    d_in, d_h : int
        Width of the vectors that are read, and of the state.
    rng : numpy.random.Generator
        Draws W (d_in, G d_h) and U (d_h, G d_h), G the number of the cell's gates; U as the square matrices that it
        consists of. Biases start at 0, an LSTM's forget gate at 1 [2]_.
    cell : {"rnn", "gru", "lstm"}
        See `minisora.layers.cells`. A GRU has a second bias c (d_h,), the one that r is multiplied with.
    right_to_left : bool
        Read from the last position to the first.

    References
    ----------
    .. [1] Werbos, "Backpropagation Through Time: What It Does and How to Do It", 1990, section III.
    .. [2] Jozefowicz, Zaremba, Sutskever, "An Empirical Exploration of Recurrent Network Architectures", 2015.
    """

    def __init__(self, d_in, d_h, rng, *, cell="lstm", right_to_left=False, dtype=np.float32):
        self.cell = named_cell(cell)
        self.d_h, self.right_to_left = d_h, right_to_left
        self.w_x = Linear(d_in, self.cell.gates * d_h, rng, dtype=dtype)
        limit = np.sqrt(3 / d_h)
        self.u = Parameter(rng.uniform(-limit, limit, (d_h, self.cell.gates * d_h)).astype(dtype))
        self.c = Parameter(np.zeros(d_h, dtype), decay=False) if self.cell.reset_inside else None
        if cell == "lstm":
            self.w_x.bias.data[d_h : 2 * d_h] = 1

    def forward(self, x, *, key=None, key_mask=None):
        """Map x (B, S, d_in) to h (B, S, d_h); key_mask (B, S), True = is read, False = passed over."""
        check_sequence(x, len(self.w_x.weight.data), key_mask)
        xp, (batch, length) = array_module(x), x.shape[:2]
        a, w_x = self.w_x.forward(x)  # (B, S, G d_h)
        visible = None if key_mask is None else key_mask[..., None]
        out, steps = xp.empty((batch, length, self.d_h), a.dtype), [None] * length
        state = tuple(xp.zeros((batch, self.d_h), a.dtype) for _ in range(self.cell.states))
        for t in self.positions(length):
            new, steps[t] = self.cell.step(a[:, t], self._recurrent(state[0]), state)
            if visible is None:
                state, out[:, t] = new, new[0]
            else:
                state = tuple(xp.where(visible[:, t], after, before) for after, before in zip(new, state, strict=True))
                out[:, t] = xp.where(visible[:, t], new[0], 0)
        return out, RecurrentCache(w_x, steps, visible)

    def _recurrent(self, h):
        """Return u = h U (B, G d_h), and of a GRU's candidate h U_n + c."""
        u = (h[:, None] @ self.u.data)[:, 0]
        if self.c is not None:
            u[:, -self.d_h :] += self.c.data
        return u

    def backward(self, dout, cache):
        """Go back through time [1]_: the state's gradient at t is dout_t, plus what the later steps sent back.

        dh_{t-1} = du_t U^T, plus what the cell sends past u. With all da and du: dU += sum_t h_{t-1}^T du_t, dc += the
        sum of du_n; dW, db and dx as those of x W + b.
        """
        xp, (batch, length) = array_module(dout), dout.shape[:2]
        da = xp.empty((batch, length, self.cell.gates * self.d_h), dout.dtype)
        du = xp.empty_like(da) if self.cell.reset_inside else da  # elsewhere a and u are summed, and so are one
        dstate = tuple(xp.zeros((batch, self.d_h), dout.dtype) for _ in range(self.cell.states))
        for t in reversed(self.positions(length)):
            visible = None if cache.visible is None else cache.visible[:, t]
            dstate, passing = _split(visible, (dout[:, t] + dstate[0], *dstate[1:]), dstate)
            da[:, t], du_t, dstate = self.cell.step_backward(dstate, cache.steps[t])
            if du is not da:
                du[:, t] = du_t
            dstate = (du_t @ self.u.data.T + dstate[0], *dstate[1:])
            if visible is not None:
                dstate = tuple(through + past for through, past in zip(dstate, passing, strict=True))
        self._add_recurrent_gradients(du, xp.stack([step.h for step in cache.steps], axis=1))
        return self.w_x.backward(da, cache.w_x)

    def _add_recurrent_gradients(self, du, h):
        """Add h^T du to dU and the sum of du_n to dc, over all time steps; h (B, S, d_h) is the state before each."""
        rows = du.reshape(-1, du.shape[-1])
        self.u.grad += h.reshape(-1, self.d_h).T @ rows
        if self.c is not None:
            self.c.grad += rows[:, -self.d_h :].sum(axis=0)

    def positions(self, length):
        """Return the positions in the order of reading."""
        return range(length)[::-1] if self.right_to_left else range(length)


def _split(visible, dnew, dold):
    """Return what enters the step's backward, where a position is visible, and what passes it by, where it is not."""
    if visible is None:
        return dnew, None
    where = array_module(visible).where
    return tuple(where(visible, d, 0) for d in dnew), tuple(where(visible, 0, d) for d in dold)


def check_sequence(x, width, key_mask):
    """Raise ValueError unless x is (B, S, width), S > 0, and key_mask None or a boolean array (B, S)."""
    check_width("a recurrent layer", x, width)
    if x.ndim != 3 or not x.shape[1]:
        raise ValueError(f"a recurrent layer expects sequences (B, S, {width}) with S > 0, got an array of {x.shape}")
    if key_mask is not None:
        check_key_mask(key_mask, *x.shape[:2])
        check_same_device("the key mask", key_mask, "the sequences", x)


class BidirectionalCache(NamedTuple):
    left_to_right: RecurrentCache
    right_to_left: RecurrentCache


class Bidirectional(Layer):
    """out_t = [from the left to t, from the right to t], side by side [1]_.

    Parameters
    ----------
    d_in, d_out : int
        d_out is even: each direction has half of it.
    rng, cell, dtype
        As `Recurrent` takes them.

    References
    ----------
    .. [1] Schuster, Paliwal, "Bidirectional Recurrent Neural Networks", 1997, section II.
    """

    def __init__(self, d_in, d_out, rng, *, cell="lstm", dtype=np.float32):
        if d_out % 2:
            raise ValueError(f"two directions share an even width, got {d_out}")
        self.half = d_out // 2
        self.left_to_right = Recurrent(d_in, self.half, rng, cell=cell, dtype=dtype)
        self.right_to_left = Recurrent(d_in, self.half, rng, cell=cell, right_to_left=True, dtype=dtype)

    def forward(self, x, *, key=None, key_mask=None):
        """Map x (B, S, d_in) to (B, S, d_out); key_mask (B, S), True = is read."""
        left, left_cache = self.left_to_right.forward(x, key_mask=key_mask)
        right, right_cache = self.right_to_left.forward(x, key_mask=key_mask)
        out = array_module(x).empty((*left.shape[:2], 2 * self.half), left.dtype)
        out[..., : self.half], out[..., self.half :] = left, right
        return out, BidirectionalCache(left_cache, right_cache)

    def backward(self, dout, cache):
        """Both directions read the same x: dx is the sum of theirs."""
        dx = self.left_to_right.backward(dout[..., : self.half], cache.left_to_right)
        dx += self.right_to_left.backward(dout[..., self.half :], cache.right_to_left)
        return dx


class RecurrentStackCache(NamedTuple):
    layers: list  # RecurrentCache or BidirectionalCache
    dropouts: list[DropoutCache]  # one less: none behind the last layer


class RecurrentStack(Layer):
    """Recurrent layers one on the other, with dropout between them, of vectors of one width D.

    Parameters
    ----------
    d_model, num_layers : int
    rng, cell, dtype
        As `Recurrent` takes them.
    bidirectional : bool
        Each layer reads from both ends, with half the width for each, else from the left with all of it.
    dropout : float
    """

    def __init__(self, d_model, num_layers, rng, *, cell="lstm", bidirectional=True, dropout=0.0, dtype=np.float32):
        make = Bidirectional if bidirectional else Recurrent
        self.layers = [make(d_model, d_model, rng, cell=cell, dtype=dtype) for _ in range(num_layers)]
        self.dropout = Dropout(dropout)

    def forward(self, x, *, key=None, key_mask=None):
        """Map x (B, S, D) to the same shape; key_mask (B, S), True = is read."""
        caches, dropouts = [], []
        for i, layer in enumerate(self.layers):
            if i > 0:
                x, dropped = self.dropout.forward(x, key=child(key, i))
                dropouts.append(dropped)
            x, cache = layer.forward(x, key_mask=key_mask)
            caches.append(cache)
        return x, RecurrentStackCache(caches, dropouts)

    def backward(self, dout, cache):
        """Return dx: the layers, last to first."""
        dx = dout
        for i in reversed(range(len(self.layers))):
            dx = self.layers[i].backward(dx, cache.layers[i])
            if i > 0:
                dx = self.dropout.backward(dx, cache.dropouts[i - 1])
        return dx
