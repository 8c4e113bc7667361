"""Mistakes of recurrent layers: in backward through time, and two that forward and backward make together."""

import numpy as np

from minisora.gradcheck.bug_zoo.seen import seen
from minisora.layers import recurrent
from minisora.layers.cells import GRUCell, GRUStep, LSTMCell, sigmoid
from minisora.layers.recurrent import Bidirectional, Recurrent


@seen("qixianbiao/RNN#2: the gradient of h was not handed on to the step before")
def gradient_of_the_state_overwritten_by_that_of_the_output(patch):
    """dh_t = dout_t, where what the later steps sent back is to be added: no time step learns for another."""
    right = recurrent._split

    def split(visible, dnew, dold):
        return right(visible, (dnew[0] - dold[0], *dnew[1:]), dold)

    patch.setattr(recurrent, "_split", split)


@seen("apache/mxnet#4057: dc assigned, where what came from the later step is to be added; cthorey/CS231#1 asks why")
def gradient_of_the_memory_cell_overwritten(patch):
    right = LSTMCell.step_backward
    patch.setattr(LSTMCell, "step_backward", lambda self, dstate, cache: right(self, (dstate[0], 0 * dstate[1]), cache))


@seen("CaptainE/RNN-LSTM-in-numpy#1: sigmoid(f) in the place of sigmoid'(f), for the forget gate alone")
def forget_gate_without_its_derivative(patch):
    right = LSTMCell.step_backward

    def step_backward(self, dstate, cache):
        da, _, (dh, dc) = right(self, dstate, cache)
        width = cache.c.shape[1]
        da[:, width : 2 * width] /= 1 - cache.forget
        return da, da, (dh, dc)

    patch.setattr(LSTMCell, "step_backward", step_backward)


@seen("hanbt/learn_dl#53: the gradients of the other gates' biases were taken from the forget gate")
def biases_of_all_gates_get_the_forget_gate_s_gradient(patch):
    right = Recurrent.backward

    def backward(self, dout, cache):
        before = self.w_x.bias.grad.copy()
        dx = right(self, dout, cache)
        if self.cell.gates == 4:
            added = np.split(self.w_x.bias.grad - before, 4)[1]
            self.w_x.bias.grad[...] = before + np.tile(added, 4)
        return dx

    patch.setattr(Recurrent, "backward", backward)


@seen("two formulas under one name: keras-team/keras#3701, nntrainer/nntrainer#1787; without any: zhiyongc/GRU-D#2")
def reset_gate_before_the_product(patch):
    """Forward computes (r * h) U_n + c, as in the paper; backward goes on with r * (h U_n + c)."""
    right = Recurrent._recurrent

    def product(self, h):
        self.cell.candidate = lambda kept: kept @ self.u.data[:, -self.d_h :] + self.c.data
        return right(self, h)

    def step(self, a, u, state):
        (h,) = state
        both = 2 * h.shape[1]
        gates = sigmoid(a[:, :both] + u[:, :both])
        r, z = np.split(gates, 2, axis=1)
        n = np.tanh(a[:, both:] + self.candidate(r * h))
        return (n + z * (h - n),), GRUStep(h, gates, n, u[:, both:])

    patch.setattr(Recurrent, "_recurrent", product)
    patch.setattr(GRUCell, "step", step)


@seen("keras-team/keras#1300; from the right it comes first: pytorch/pytorch#3662, deeplearning4j/deeplearning4j#1030")
def padding_updates_the_state(patch):
    """Padding is read like a token: it changes what comes after it, and from the right that is everything."""
    right = Recurrent.forward
    patch.setattr(Recurrent, "forward", lambda self, x, *, key=None, key_mask=None: right(self, x))


@seen("keras-team/keras#1431, #1703: go_backwards; webmachinelearning/webnn-baseline#123")
def states_from_the_right_are_not_turned_back(patch):
    """They stand in the order in which they were computed: the last token's state beside the first token's."""
    right_forward, right_backward = Bidirectional.forward, Bidirectional.backward

    def turned(self, states):
        return np.concatenate([states[..., : self.half], states[:, ::-1, self.half :]], axis=-1)

    def forward(self, x, *, key=None, key_mask=None):
        out, cache = right_forward(self, x, key_mask=key_mask)
        return turned(self, out), cache

    patch.setattr(Bidirectional, "forward", forward)
    patch.setattr(Bidirectional, "backward", lambda self, dout, cache: right_backward(self, turned(self, dout), cache))
