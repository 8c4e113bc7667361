"""Recurrent layers: by hand, against the formulas written out, and a padded batch against its rows one by one."""

import numpy as np
import pytest

from minisora.config import SoraConfig
from minisora.gradcheck import Probe, check, randomize
from minisora.kernels import DropoutKey
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.cells import named_cell
from minisora.layers.normalization import LayerNorm
from minisora.layers.recurrent import Bidirectional, Recurrent, RecurrentStack
from minisora.layers.recurrent_encoder import RecurrentEncoder

B, S, D_IN, D_H = 3, 11, 7, 5
LENGTHS = (11, 2, 7)
CELL = pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
DIRECTION = pytest.mark.parametrize("right_to_left", [False, True], ids=["left-to-right", "right-to-left"])
KEY = DropoutKey(13)


def config(**changes):
    return SoraConfig(
        source_vocab_size=23, target_vocab_size=23, d_model=6, num_heads=2, d_ff=13, encoder="rnn",
        **{"num_encoder_layers": 2, "dropout": 0.4, **changes},
    )  # fmt: skip


def suffix_mask(lengths=LENGTHS, width=S):
    return np.arange(width) < np.array(lengths)[:, None]


def mask_with_holes(rng):
    mask = rng.random((B, S)) < 0.6
    mask[:, 3] = True
    return mask


def make(rng, cell, right_to_left=False):
    return randomize(Recurrent(D_IN, D_H, rng, cell=cell, right_to_left=right_to_left, dtype=np.float64), rng)


def gradients_of(layer, dout, cache):
    """dx, and every parameter's gradient by name, of one backward."""
    layer.zero_grad()
    return layer.backward(dout, cache), {name: parameter.grad.copy() for name, parameter in layer.parameters()}


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_two_steps_of_an_rnn_by_hand():
    """W, U, b = 1, 2, 0 and x = (a, b): h_1 = tanh(a), h_2 = tanh(b + 2 h_1); from dout = (0, 1) back."""
    layer = Recurrent(1, 1, np.random.default_rng(0), cell="rnn", dtype=np.float64)
    layer.w_x.weight.data[:], layer.u.data[:] = 1, 2
    h_1 = 0.5
    a, b = np.arctanh(h_1), np.arctanh(0.8) - 2 * h_1
    out, cache = layer.forward(np.array([[[a], [b]]]))
    np.testing.assert_allclose(out, [[[0.5], [0.8]]], rtol=1e-15)
    dx = layer.backward(np.array([[[0.0], [1.0]]]), cache)
    # da_2 = 1 - 0.8^2 = 0.36; dh_1 = 2 * 0.36 = 0.72; da_1 = 0.72 (1 - 0.5^2) = 0.54
    np.testing.assert_allclose(dx, [[[0.54], [0.36]]], rtol=1e-14)
    np.testing.assert_allclose(layer.u.grad, [[0.36 * h_1]], rtol=1e-14)
    np.testing.assert_allclose(layer.w_x.bias.grad, [0.9], rtol=1e-14)
    np.testing.assert_allclose(layer.w_x.weight.grad, [[0.54 * a + 0.36 * b]], rtol=1e-14)


def test_a_step_of_a_gru_by_hand():
    """All gates at 1/2, u_n = 2: n = tanh(a_n + 1), h' halfway between n and h; the reset works inside."""
    h, a = np.array([[0.25]]), np.array([[0.0, 0.0, np.arctanh(0.75) - 1]])
    (new,), cache = named_cell("gru").step(a, np.array([[0.0, 0.0, 2.0]]), (h,))
    assert new[0, 0] == pytest.approx(0.5, rel=1e-15)
    da, du, (dh,) = named_cell("gru").step_backward((np.array([[1.0]]),), cache)
    da_n = 0.5 * (1 - 0.75**2)
    np.testing.assert_allclose(da, [[da_n * 2 / 4, (0.25 - 0.75) / 4, da_n]], rtol=1e-14)
    np.testing.assert_allclose(du, [[da_n * 2 / 4, (0.25 - 0.75) / 4, da_n / 2]], rtol=1e-14)
    assert dh[0, 0] == 0.5


def test_a_step_of_an_lstm_by_hand():
    """All gates at 1/2, g = 1/2, c = 2 arctanh(0.8) - 1/2: c' = arctanh(0.8) and h' = 0.4."""
    h, c = np.array([[0.3]]), np.array([[2 * np.arctanh(0.8) - 0.5]])
    a = np.array([[0.0, 0.0, 0.0, np.arctanh(0.5)]])
    (new_h, new_c), cache = named_cell("lstm").step(a, np.zeros((1, 4)), (h, c))
    assert new_h[0, 0] == pytest.approx(0.4, rel=1e-15)
    assert new_c[0, 0] == pytest.approx(np.arctanh(0.8), rel=1e-15)
    assert cache.input == cache.forget == cache.output == 0.5
    da, du, (dh, dc) = named_cell("lstm").step_backward((np.array([[1.0]]), np.array([[0.0]])), cache)
    dc_new = 0.5 * (1 - 0.8**2)
    np.testing.assert_allclose(da, [[dc_new * 0.5 / 4, dc_new * c[0, 0] / 4, 0.8 / 4, dc_new / 2 * 0.75]], rtol=1e-14)
    assert du is da
    assert dh == 0
    np.testing.assert_allclose(dc, [[dc_new / 2]], rtol=1e-14)


# --- against the formulas ---------------------------------------------------------------------------------------------


def logistic(x):
    return 1 / (1 + np.exp(-x))


def one_row(layer, cell, x):
    """h (S, d_h) of one sequence x (S, d_in), read from left to right: the papers' formulas, a gate at a time."""
    w, b = (np.split(p.data, layer.cell.gates, axis=-1) for p in (layer.w_x.weight, layer.w_x.bias))
    u = np.split(layer.u.data, layer.cell.gates, axis=-1)
    h, c, out = np.zeros(D_H), np.zeros(D_H), []
    for x_t in x:
        pre = [x_t @ w[k] + b[k] + h @ u[k] for k in range(layer.cell.gates)]
        if cell == "rnn":
            h = np.tanh(pre[0])
        elif cell == "gru":
            r, z = logistic(pre[0]), logistic(pre[1])
            n = np.tanh(x_t @ w[2] + b[2] + r * (h @ u[2] + layer.c.data))
            h = (1 - z) * n + z * h
        else:
            i, f, o, g = (*map(logistic, pre[:3]), np.tanh(pre[3]))
            c = f * c + i * g
            h = o * np.tanh(c)
        out.append(h)
    return np.stack(out)


@CELL
@DIRECTION
@pytest.mark.parametrize("mask", [None, "suffix", "holes"])
def test_the_visible_tokens_of_each_row_are_read_in_order(rng, cell, right_to_left, mask):
    """What is hidden has output 0 and might not be there: from the right, the last visible token comes first."""
    layer, x = make(rng, cell, right_to_left), rng.normal(size=(B, S, D_IN))
    key_mask = {None: None, "suffix": suffix_mask(), "holes": mask_with_holes(rng)}[mask]
    visible = np.ones((B, S), bool) if key_mask is None else key_mask
    order = -1 if right_to_left else 1
    expected = np.zeros((B, S, D_H))
    for row in range(B):
        expected[row, visible[row]] = one_row(layer, cell, x[row, visible[row]][::order])[::order]
    np.testing.assert_allclose(layer.forward(x, key_mask=key_mask)[0], expected, rtol=1e-13, atol=1e-15)


@CELL
def test_both_directions_stand_side_by_side(rng, cell):
    layer = randomize(Bidirectional(D_IN, 2 * D_H, rng, cell=cell, dtype=np.float64), rng)
    x, mask = rng.normal(size=(B, S, D_IN)), suffix_mask()
    parts = [part.forward(x, key_mask=mask)[0] for part in (layer.left_to_right, layer.right_to_left)]
    np.testing.assert_array_equal(layer.forward(x, key_mask=mask)[0], np.concatenate(parts, axis=-1))


# --- padding ----------------------------------------------------------------------------------------------------------

LAYERS = {
    **{f"{cell}-{way}": (cell, way) for cell in ("rnn", "gru", "lstm") for way in ("right", "left", "both", "stack")},
    "encoder-pre": ("lstm", "pre"),
    "encoder-post": ("gru", "post"),
}


def build(rng, cell, way):
    """A layer of d_in = 6, and its width."""
    if way in ("right", "left"):
        return Recurrent(6, D_H, rng, cell=cell, right_to_left=way == "left", dtype=np.float64)
    if way == "both":
        return Bidirectional(6, 2 * D_H, rng, cell=cell, dtype=np.float64)
    if way == "stack":
        return RecurrentStack(6, 3, rng, cell=cell, dtype=np.float64)
    return RecurrentEncoder(config(norm=way, cell=cell), rng, dtype=np.float64)


@pytest.mark.parametrize("name", LAYERS)
def test_a_padded_batch_is_its_rows_one_by_one(rng, name):
    layer, x, mask = randomize(build(rng, *LAYERS[name]), rng), rng.normal(size=(B, S, 6)), suffix_mask()
    out, cache = layer.forward(x, key_mask=mask)
    dout = rng.normal(size=out.shape) * mask[..., None]  # nobody reads what stands at padding
    dx, grads = gradients_of(layer, dout, cache)
    alone = dict.fromkeys(grads, 0)
    for row, length in enumerate(LENGTHS):
        row_out, row_cache = layer.forward(x[row : row + 1, :length])
        row_dx, row_grads = gradients_of(layer, dout[row : row + 1, :length], row_cache)
        np.testing.assert_allclose(out[row, :length], row_out[0], rtol=0, atol=1e-12 * np.abs(out).max())
        np.testing.assert_allclose(dx[row, :length], row_dx[0], rtol=0, atol=1e-12 * np.abs(dx).max())
        assert not dx[row, length:].any()
        alone = {name: alone[name] + gradient for name, gradient in row_grads.items()}
    largest = max(np.abs(gradient).max() for gradient in grads.values())
    for name, gradient in grads.items():
        np.testing.assert_allclose(gradient, alone[name], rtol=0, atol=1e-12 * largest, err_msg=name)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_pass_the_holes_in_a_mask(rng, name):
    """To 13 digits, by the complex step; and backward adds."""
    layer, x = randomize(build(rng, *LAYERS[name]), rng), rng.normal(size=(B, S, 6))
    result = check(Probe(layer, {"x": x}, masks={"key_mask": mask_with_holes(rng)}), mode="complex", entries=11)
    assert result.passed, str(result)
    assert result.largest_relative_error < 1e-13


@CELL
@DIRECTION
def test_a_recurrent_layer_ignores_what_comes_from_above_at_hidden_positions(rng, cell, right_to_left):
    """Its output there is 0 whatever happens, and what stands there has no part in anything, to the last bit."""
    layer, x, mask = make(rng, cell, right_to_left), rng.normal(size=(B, S, D_IN)), mask_with_holes(rng)
    other = np.where(mask[..., None], x, rng.normal(0, 9, x.shape))
    (out, cache), (other_out, other_cache) = (layer.forward(one, key_mask=mask) for one in (x, other))
    np.testing.assert_array_equal(out, other_out)
    assert not out[~mask].any()
    dout = rng.normal(size=out.shape)
    dx, grads = gradients_of(layer, dout, cache)
    other_dx, other_grads = gradients_of(layer, dout * mask[..., None], other_cache)
    np.testing.assert_array_equal(dx, other_dx)
    assert not dx[~mask].any()
    for name, gradient in grads.items():
        np.testing.assert_array_equal(gradient, other_grads[name])


@CELL
@DIRECTION
def test_a_row_that_is_hidden_whole_gives_nothing_and_gets_nothing(rng, cell, right_to_left):
    layer, x, mask = make(rng, cell, right_to_left), rng.normal(size=(B, S, D_IN)), suffix_mask((11, 0, 7))
    out, cache = layer.forward(x, key_mask=mask)
    dx, _ = gradients_of(layer, rng.normal(size=out.shape), cache)
    assert not out[1].any() and not dx[1].any()
    assert out[0].any() and dx[0].any()


@CELL
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbours_and_their_order_change_nothing_by_a_bit(rng, cell, dtype):
    layer = Bidirectional(13, 34, rng, cell=cell, dtype=dtype)
    x, mask = rng.normal(size=(23, S, 13)).astype(dtype), suffix_mask(rng.integers(1, S + 1, 23))
    order = rng.permutation(23)
    out = layer.forward(x, key_mask=mask)[0]
    np.testing.assert_array_equal(out[order], layer.forward(x[order], key_mask=mask[order])[0])


# --- the stack and the encoder ----------------------------------------------------------------------------------------


def run(layer, *inputs, **options):
    return layer.forward(*inputs, **options)[0]


@pytest.mark.parametrize("key", [KEY, None])
def test_a_stack_is_its_layers_with_dropout_between_them(rng, key):
    stack, x, mask = RecurrentStack(6, 3, rng, dropout=0.4, dtype=np.float64), rng.normal(size=(B, S, 6)), suffix_mask()
    first, second, third = stack.layers
    expected = run(first, x, key_mask=mask)
    expected = run(second, run(stack.dropout, expected, key=key and key.child(1)), key_mask=mask)
    expected = run(third, run(stack.dropout, expected, key=key and key.child(2)), key_mask=mask)
    np.testing.assert_array_equal(run(stack, x, key=key, key_mask=mask), expected)


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_encoder_is_its_formula(rng, norm, key):
    encoder = randomize(RecurrentEncoder(config(norm=norm), rng, dtype=np.float64), rng)
    x, mask = rng.normal(size=(B, S, 6)), suffix_mask()

    def named(*names):
        found = key
        for name in names:
            found = found and found.child(name)
        return found

    h = run(encoder.recurrent, x, key=named("recurrent"), key_mask=mask)
    normed = encoder.top.norm_1(h) if norm == "pre" else h
    attended = run(encoder.top.self_attention, normed, key=named("top", "self_attention"), key_mask=mask)
    expected = encoder.norm(h + run(encoder.top.dropout_1, attended, key=named("top", "dropout_1")))
    memory, cache = encoder.forward(x, key=key, key_mask=mask)
    np.testing.assert_array_equal(memory, expected)
    assert (encoder.top.norm_1 is None) == (norm == "post")
    weights = cache.layers[-1].self_attention.weights  # where the Transformer's are
    assert weights.shape == (B, 2, S, S)
    assert not weights[~np.broadcast_to(mask[:, None, None], weights.shape)].any()
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-14)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_what_is_built_has_the_sizes_and_the_precision_asked_for(rng, bidirectional):
    encoder = RecurrentEncoder(config(bidirectional=bidirectional, cell="gru"), rng)
    assert {parameter.data.dtype for _, parameter in encoder.parameters()} == {np.dtype(np.float32)}
    assert len(encoder.recurrent.layers) == 2
    first = encoder.recurrent.layers[0].left_to_right if bidirectional else encoder.recurrent.layers[0]
    assert first.u.data.shape == ((3, 9) if bidirectional else (6, 18))
    assert encoder.recurrent.dropout.p == encoder.top.dropout_1.p == encoder.top.self_attention.dropout == 0.4
    assert encoder(np.ones((2, 5, 6), np.float32)).dtype == np.float32


class OwnAttention(MultiHeadAttention):
    pass


class OwnNorm(LayerNorm):
    pass


def test_layers_of_ones_own_are_built_everywhere(rng):
    own = {"attention": OwnAttention, "norm": OwnNorm}
    encoder = RecurrentEncoder(config(), rng, layers=own, dtype=np.float64)
    assert type(encoder.top.self_attention) is OwnAttention
    assert type(encoder.top.norm_1) is type(encoder.norm) is OwnNorm
    assert {parameter.data.dtype for _, parameter in encoder.parameters()} == {np.dtype(np.float64)}


def test_an_lstm_begins_by_remembering(rng):
    layer = Recurrent(D_IN, D_H, rng)
    np.testing.assert_array_equal(layer.w_x.bias.data, [0] * D_H + [1] * D_H + [0] * 2 * D_H)
    assert not Recurrent(D_IN, D_H, rng, cell="gru").w_x.bias.data.any()


def test_biases_are_spared_by_weight_decay(rng):
    decay = {name: parameter.decay for name, parameter in Recurrent(D_IN, D_H, rng, cell="gru").parameters()}
    assert decay == {"w_x.weight": True, "w_x.bias": False, "u": True, "c": False}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rng: Recurrent(7, 5, rng, cell="elman"), "unknown cell 'elman', expected one of: rnn, gru, lstm"),
        (lambda rng: Bidirectional(7, 5, rng), "two directions share an even width, got 5"),
        (lambda rng: Recurrent(7, 5, rng)(np.ones((3, 11, 6))), "a recurrent layer expects 7 values in the last axis"),
        (lambda rng: Recurrent(7, 5, rng)(np.ones((11, 7))), r"sequences \(B, S, 7\) with S > 0, got an array of"),
        (lambda rng: Recurrent(7, 5, rng)(np.ones((3, 0, 7))), r"with S > 0"),
        (lambda rng: Recurrent(7, 5, rng)(np.ones((3, 11, 7)), key_mask=np.ones((3, 11))), "as a boolean array"),
    ],
)
def test_what_cannot_be_is_one_sentence(rng, call, message):
    with pytest.raises(ValueError, match=message):
        call(rng)


@CELL
def test_what_is_computed_in_float32_stays_in_float32(rng, cell):
    one = named_cell(cell)
    a, u = rng.normal(size=(2, B, one.gates * D_H)).astype(np.float32)
    state = tuple(rng.normal(size=(2 if cell == "lstm" else 1, B, D_H)).astype(np.float32))
    new, cache = one.step(a, u, state)
    da, du, dstate = one.step_backward(new, cache)
    arrays = [array for array in (*new, da, du, *dstate) if isinstance(array, np.ndarray)]  # 0: h has no other way
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
