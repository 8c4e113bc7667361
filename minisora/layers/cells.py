"""What a recurrent layer computes at one time step: the cells RNN, GRU and LSTM, each with its backward.

A cell has no parameters and keeps nothing. ``step`` is given what the layer has multiplied already: a = x W + b of this
time step and u = h U of the state before it, both (B, G d_h) with the G gates side by side. ``step_backward`` takes the
gradient of the new state and returns da, du and what reaches the old state on other ways than through u.
"""

from typing import Any, NamedTuple

from minisora.kernels import array_module


def sigmoid(x):
    """1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2, which cannot overflow."""
    out = array_module(x).tanh(0.5 * x)
    out += 1
    out *= 0.5
    return out


def sigmoid_backward(dout, out):
    """dx = dout out (1 - out)."""
    return dout * out * (1 - out)


def tanh_backward(dout, out):
    """dx = dout (1 - out^2)."""
    return dout * (1 - out * out)


class RNNStep(NamedTuple):
    h: Any  # (B, d_h), the state before the step
    new_h: Any  # (B, d_h)


class RNNCell:
    """h' = tanh(a + u) [1]_.

    References
    ----------
    .. [1] Elman, "Finding Structure in Time", 1990, with tanh in the place of the logistic function.
    """

    gates, states, reset_inside = 1, 1, False

    def step(self, a, u, state):
        """Return the new state, a tuple of arrays (B, d_h), and the step's cache."""
        (h,) = state
        new_h = array_module(a).tanh(a + u)
        return (new_h,), RNNStep(h, new_h)

    def step_backward(self, dstate, cache):
        """da = du = dh' (1 - h'^2); h has no other way."""
        (dh,) = dstate
        da = tanh_backward(dh, cache.new_h)
        return da, da, (0,)


class GRUStep(NamedTuple):
    h: Any  # (B, d_h), the state before the step
    gates: Any  # (B, 2 d_h), r and z side by side
    candidate: Any  # (B, d_h), n
    u_n: Any  # (B, d_h), h U_n + c, what r is multiplied with

    @property
    def reset(self):
        """The gate r."""
        return _part(self.gates, 0, 2)

    @property
    def update(self):
        """The gate z."""
        return _part(self.gates, 1, 2)


class GRUCell:
    """A gate r that forgets inside the candidate n, and a gate z that keeps the old state [1]_::

        r = sigmoid(a_r + u_r)    z = sigmoid(a_z + u_z)
        n = tanh(a_n + r * u_n)
        h' = (1 - z) * n + z * h

    r is applied to the product u_n = h U_n + c, where [1]_ applies it to h before: one product serves all gates then.

    References
    ----------
    .. [1] Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014, eqs. (5) to (8).
    """

    gates, states, reset_inside = 3, 1, True

    def step(self, a, u, state):
        """Return the new state, a tuple of arrays (B, d_h), and the step's cache."""
        (h,) = state
        both = 2 * h.shape[1]
        gates = sigmoid(a[:, :both] + u[:, :both])
        r, z = _part(gates, 0, 2), _part(gates, 1, 2)
        u_n = u[:, both:]
        n = array_module(a).tanh(a[:, both:] + r * u_n)
        return (n + z * (h - n),), GRUStep(h, gates, n, u_n)

    def step_backward(self, dstate, cache):
        """dz = dh' (h - n), dn = dh' (1 - z); through n's tanh dr = da_n u_n, du_n = da_n r; past u, dh = dh' z."""
        (dh,) = dstate
        h, gates, n, u_n = cache
        r, z = cache.reset, cache.update
        both = gates.shape[1]
        da = array_module(h).empty((len(h), both + both // 2), h.dtype)
        da[:, both:] = tanh_backward(dh * (1 - z), n)
        dr, dz = da[:, both:] * u_n, dh * (h - n)
        da[:, : both // 2] = sigmoid_backward(dr, r)
        da[:, both // 2 : both] = sigmoid_backward(dz, z)
        du = da.copy()
        du[:, both:] *= r
        return da, du, (dh * z,)


class LSTMStep(NamedTuple):
    h: Any  # (B, d_h), the state before the step
    c: Any  # (B, d_h), the memory cell before the step
    gates: Any  # (B, 3 d_h), i, f and o side by side
    candidate: Any  # (B, d_h), g
    tanh_c: Any  # (B, d_h), of the new memory cell

    @property
    def input(self):
        """The gate i."""
        return _part(self.gates, 0, 3)

    @property
    def forget(self):
        """The gate f."""
        return _part(self.gates, 1, 3)

    @property
    def output(self):
        """The gate o."""
        return _part(self.gates, 2, 3)


class LSTMCell:
    """A memory cell c that gates write to, forget and read [1]_, [2]_::

        i = sigmoid(a_i + u_i)    f = sigmoid(a_f + u_f)    o = sigmoid(a_o + u_o)
        g = tanh(a_g + u_g)
        c' = f * c + i * g
        h' = o * tanh(c')

    Along c the gradient is multiplied with f alone, not with a matrix: with f near 1 it neither vanishes nor explodes.

    References
    ----------
    .. [1] Hochreiter, Schmidhuber, "Long Short-Term Memory", 1997, section 4.
    .. [2] Gers, Schmidhuber, Cummins, "Learning to Forget", 2000, for the gate f.
    """

    gates, states, reset_inside = 4, 2, False

    def step(self, a, u, state):
        """Return the new state, a tuple of arrays (B, d_h), and the step's cache."""
        h, c = state
        xp, three = array_module(a), 3 * h.shape[1]
        a = a + u
        gates, g = sigmoid(a[:, :three]), xp.tanh(a[:, three:])
        i, f, o = (_part(gates, k, 3) for k in range(3))
        new_c = f * c
        new_c += i * g
        tanh_c = xp.tanh(new_c)
        return (o * tanh_c, new_c), LSTMStep(h, c, gates, g, tanh_c)

    def step_backward(self, dstate, cache):
        """do = dh' tanh(c'), dc' += dh' o (1 - tanh(c')^2); di = dc' g, df = dc' c, dg = dc' i, dc = dc' f."""
        dh, dc = dstate
        h, c, gates, g, tanh_c = cache
        width = h.shape[1]
        da = array_module(h).empty((len(h), 4 * width), h.dtype)
        dc = dc + tanh_backward(dh * cache.output, tanh_c)
        da[:, :width] = dc * g
        da[:, width : 2 * width] = dc * c
        da[:, 2 * width : 3 * width] = dh * tanh_c
        da[:, : 3 * width] = sigmoid_backward(da[:, : 3 * width], gates)
        da[:, 3 * width :] = tanh_backward(dc * cache.input, g)
        return da, da, (0, dc * cache.forget)


def _part(gates, number, count):
    """The columns of one of ``count`` gates that stand side by side."""
    width = gates.shape[1] // count
    return gates[:, number * width : (number + 1) * width]


CELLS = {"rnn": RNNCell, "gru": GRUCell, "lstm": LSTMCell}


def named_cell(name):
    """Return the cell of a name: ``"rnn"``, ``"gru"`` or ``"lstm"``."""
    if name not in CELLS:
        raise ValueError(f"unknown cell {name!r}, expected one of: {', '.join(CELLS)}")
    return CELLS[name]()
