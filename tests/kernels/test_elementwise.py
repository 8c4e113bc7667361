"""The fused operations against the layers' NumPy: one suite, layers on both backends."""

import numpy as np
import pytest
from numba import typeof

from minisora.kernels import DropoutKey, compilation, elementwise, get_elementwise, numba_product, threads
from minisora.layers.activation import GELU
from minisora.layers.dropout import Dropout
from minisora.layers.embedding import TokenEmbedding
from minisora.layers.feed_forward import FeedForward, activation_name
from minisora.layers.layer import Parameter
from minisora.layers.linear import Linear, TiedLinear
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.layers.normalization import LayerNorm
from minisora.training.optimizers import Adam, AdamW
from minisora.training.replicas import replica

SHAPES = [(1, 1), (2, 3, 7), (5, 67), (3, 37, 131), (0, 5)]
TOLERANCE = {np.float32: 2e-6, np.float64: 5e-15}
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
shapes = pytest.mark.parametrize("shape", SHAPES)
dropouts = pytest.mark.parametrize("p", [0.0, 0.3])


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setenv("MINISORA_NUM_THREADS", "2")
    monkeypatch.setattr(threads, "_WORTH", 1000)


def twins(layer, rng):
    """Return the layer with random parameters, and one that shares them and is fused."""
    for _, parameter in layer.parameters():
        parameter.data[...] = rng.normal(1, 0.3, parameter.data.shape)
    fused = replica(layer).use_backend("numba")
    assert layer.fused_by is None
    return layer, fused


def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def agree(found, expected, dtype):
    """Compare arrays, or all arrays in nested tuples; errors are relative to the largest entry."""
    if isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            agree(a, b, dtype)
    elif isinstance(expected, np.ndarray):
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        largest = np.abs(expected).max(initial=1e-30)
        np.testing.assert_allclose(found, expected, rtol=0, atol=20 * TOLERANCE[dtype] * largest)
    else:
        assert found == expected or abs(found - expected) <= 20 * TOLERANCE[dtype] * abs(expected)


def both(layers, inputs, dout, dtype, **options):
    """Run both twins forward and backward; outputs, caches, input gradients and parameter gradients agree."""
    plain, fused = layers
    results = []
    for layer in (plain, fused):
        layer.zero_grad()
        out, cache = layer.forward(*inputs, **options)
        dinputs = layer.backward(dout, cache)
        results.append((out, cache, dinputs, [parameter.grad for _, parameter in layer.parameters()]))
    agree(results[1], results[0], dtype)
    return results


@dtypes
@shapes
def test_layer_norm(rng, dtype, shape):
    x, dout = rng.normal(3, 2, (2, *shape)).astype(dtype)
    layers = twins(LayerNorm(shape[-1], dtype=dtype), rng)
    both(layers, (x,), dout, dtype)
    found = elementwise.layer_norm_backward(x, x, x[..., :1], np.ones(shape[-1], dtype))
    assert [one.dtype for one in found] == [dtype] * 3  # in a parameter's grad a wider one would not be seen


@dtypes
@shapes
@dropouts
def test_dropout(rng, dtype, shape, p):
    x, dout = rng.normal(size=(2, *shape)).astype(dtype)
    for key in (None, DropoutKey(5).child("a")):
        (out, *_), (found, *_) = both(twins(Dropout(p), rng), (x,), dout, dtype, key=key)
        np.testing.assert_array_equal(found, out)


@dtypes
@shapes
@dropouts
def test_dropout_and_residual(rng, dtype, shape, p):
    x, residual = rng.normal(size=(2, *shape)).astype(dtype)
    plain, fused = twins(Dropout(p), rng)
    for key in (None, DropoutKey(5).child("a")):
        (expected, cache), (found, same) = (layer.add(residual, x, key=key) for layer in (plain, fused))
        np.testing.assert_array_equal(found, expected, strict=True)
        assert same == cache
        assert found is not residual


@dtypes
@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh"])
@dropouts
def test_feed_forward(rng, dtype, activation, p):
    x, dout = rng.normal(size=(2, 3, 41, 7)).astype(dtype)
    layer = FeedForward(7, 131, rng, activation=activation, dropout=p, dtype=dtype)
    both(twins(layer, rng), (x,), dout, dtype, key=DropoutKey(7))
    both(twins(layer, rng), (x,), dout, dtype)


@dtypes
@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh"])
def test_activations_far_from_zero(rng, dtype, activation):
    layers = twins(FeedForward(1, 1, rng, activation=activation, dtype=dtype), rng)
    for layer in layers:
        layer.w_1.weight.data[:] = 1
        layer.w_1.bias.data[:] = 0
    x = np.concatenate([np.linspace(-60, 60, 997), [0.0, -0.0, 1e4, -1e4]]).astype(dtype)[:, None]
    both(layers, (x,), np.ones_like(x), dtype)


def test_an_activation_of_ones_own_is_not_replaced(rng):
    class Mine(GELU):
        def forward(self, x, *, key=None):
            return 2 * x, None

    layer = FeedForward(3, 5, rng, activation=Mine()).use_backend("numba")
    assert activation_name(layer.activation) is None
    x = rng.normal(size=(2, 3)).astype(np.float32)
    np.testing.assert_allclose(layer(x), layer.w_2(2 * layer.w_1(x)), rtol=1e-6)


@dtypes
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", [0, 1, 67])
def test_cross_entropy(rng, dtype, smoothing, rows):
    logits = rng.normal(0, 5, (rows, 2, 131)).astype(dtype)
    targets = rng.integers(0, 131, (rows, 2))
    targets[: rows // 3] = 0  # padding
    both(twins(SoftmaxCrossEntropy(0, smoothing), rng), (logits, targets), 0.37, dtype)


def test_cross_entropy_of_what_is_not_finite(rng):
    logits = rng.normal(size=(5, 7)).astype(np.float32)
    logits[1, 2], logits[2, 3], logits[3] = np.nan, np.inf, -np.inf
    plain, fused = twins(SoftmaxCrossEntropy(0), rng)
    for row in range(5):
        with np.errstate(invalid="ignore"):
            ((expected, _), _), ((found, _), _) = (
                layer.forward(logits[row : row + 1], np.array([4])) for layer in (plain, fused)
            )
        assert np.isfinite(found) == np.isfinite(expected)


@dtypes
@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (3, 64), (5, 701), (0, 5)])
@pytest.mark.parametrize("count", [1, 5, 11])
def test_the_most_probable(rng, dtype, shape, count):
    logits = rng.normal(0, 9, shape).astype(dtype)
    gains, tokens = elementwise.most_probable(logits, count)
    expected = log_softmax(logits.astype(np.float64))
    kept = min(count, shape[1])
    np.testing.assert_array_equal(tokens, np.argsort(-logits, axis=1)[:, :kept], strict=True)
    np.testing.assert_allclose(
        gains, np.take_along_axis(expected, tokens, axis=1), rtol=0, atol=100 * TOLERANCE[dtype], strict=True
    )


@dtypes
def test_of_equally_probable_ones_the_first_come_first_and_what_is_blocked_last(rng, dtype):
    logits = rng.integers(0, 4, (7, 200)).astype(dtype)
    logits[:, ::3] = -np.inf
    logits[0, 9:] = -np.inf  # of what is left, five are fewer than are asked for
    gains, tokens = elementwise.most_probable(logits, 8)
    np.testing.assert_array_equal(tokens, np.argsort(-logits, axis=1, kind="stable")[:, :8])
    np.testing.assert_array_equal(gains == -np.inf, np.take_along_axis(logits, tokens, axis=1) == -np.inf)


def test_a_block_that_is_blocked_is_counted_while_few_are_found(rng):
    logits = rng.normal(size=(3, 700)).astype(np.float32)
    logits[:, :128] = -np.inf
    logits[:, 300:] = -np.inf
    _, tokens = elementwise.most_probable(logits, 190)  # 172 are finite
    np.testing.assert_array_equal(tokens, np.argsort(-logits, axis=1, kind="stable")[:, :190])


@pytest.mark.parametrize("count, width, dtype", [(0, 5, np.float32), (3, 0, np.float32), (3, 5, np.float16)])
def test_the_most_probable_of_nothing_are_refused(count, width, dtype):
    with pytest.raises(ValueError, match="1 or more, float32 or float64, are expected, got"):
        elementwise.most_probable(np.ones((3, width), dtype), count)


def test_a_row_with_what_is_no_number_has_no_probabilities(rng):
    logits = rng.normal(size=(3, 201)).astype(np.float32)
    logits[1, 130] = np.nan
    gains, tokens = elementwise.most_probable(logits, 5)
    np.testing.assert_array_equal(np.isnan(gains).all(axis=1), [False, True, False])
    assert ((tokens >= 0) & (tokens < 201)).all()


@dtypes
def test_embedding_with_repeated_ids(rng, dtype):
    ids = rng.integers(0, 5, (7, 11))
    layers = twins(TokenEmbedding(13, 67, rng, dtype=dtype), rng)
    both(layers, (ids,), rng.normal(size=(7, 11, 67)).astype(dtype), dtype)


@dtypes
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("batch", "length"), [(0, 5), (1, 3), (5, 13), (7, 97)])
def test_linear(rng, dtype, bias, batch, length):
    for d_in, d_out in ((1, 1), (7, 67), (131, 5), (300, 150)):
        x, dout = (rng.normal(size=(batch, length, width)).astype(dtype) for width in (d_in, d_out))
        both(twins(Linear(d_in, d_out, rng, bias=bias, dtype=dtype), rng), (x,), dout, dtype)
        embedding = TokenEmbedding(d_out, d_in, rng, dtype=dtype)
        both(twins(TiedLinear(embedding.table), rng), (x,), dout, dtype)


@dtypes
def test_a_product_does_not_depend_on_the_rows_beside_it(rng, dtype):
    x = rng.normal(size=(31, 11, 300)).astype(dtype)
    layer = Linear(300, 131, rng, dtype=dtype).use_backend("numba")
    order = rng.permutation(31)
    np.testing.assert_array_equal(layer(x[order]), layer(x)[order])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_row(rng, value):
    x = rng.normal(size=(5, 40, 7)).astype(np.float32)
    x[2, 3, 1] = value
    out = Linear(7, 67, rng).use_backend("numba")(x)
    bad = ~np.isfinite(out).any(axis=-1)
    assert bad[2, 3] and bad.sum() == 1


@dtypes
@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_adam_is_the_same_to_the_bit(rng, dtype, kind):
    shapes = [(3, 5), (40_001,), (7,)]
    start = [rng.normal(size=shape).astype(dtype) for shape in shapes]
    gradients = [[rng.normal(size=shape).astype(dtype) for shape in shapes] for _ in range(5)]
    found = []
    for backend in (None, "numba"):
        parameters = [(str(i), Parameter(data.copy(), decay=i != 2)) for i, data in enumerate(start)]
        optimizer = kind(parameters, 1e-2)
        optimizer.fused_by = backend
        for step in gradients:
            for (_, parameter), gradient in zip(parameters, step, strict=True):
                parameter.grad[...] = gradient
            optimizer.step()
        found.append([parameter.data for _, parameter in parameters] + list(optimizer.state().values()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def test_strided_inputs(rng):
    x, dout = rng.normal(size=(2, 7, 5, 3)).astype(np.float32)
    layers = twins(LayerNorm(5), rng)
    both(layers, (x.swapaxes(1, 2),), dout.swapaxes(1, 2), np.float32)


@dtypes
def test_the_numbers_do_not_depend_on_the_threads(rng, dtype, monkeypatch):
    x, dout = rng.normal(size=(2, 3, 137, 67)).astype(dtype)
    _, layer = twins(LayerNorm(67, dtype=dtype), rng)
    found = []
    for count in ("1", "3"):
        monkeypatch.setenv("MINISORA_NUM_THREADS", count)
        layer.zero_grad()
        out, cache = layer.forward(x)
        found.append([out, layer.backward(dout, cache), *(p.grad.copy() for _, p in layer.parameters())])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [complex, np.float16])
def test_what_they_do_not_take_is_left_to_numpy(dtype):
    assert get_elementwise("numba", np.ones(3, dtype)) is None
    layer = LayerNorm(3, dtype=dtype).use_backend("numba")
    assert layer(np.arange(6).reshape(2, 3).astype(dtype)).dtype == dtype


@pytest.mark.parametrize("name", ["numpy", "auto"])
def test_the_specification_and_auto_have_none(name):
    assert get_elementwise(name, np.ones(3, np.float32)) is None


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="unknown attention backend 'fast'"):
        LayerNorm(3).use_backend("fast")


X, ROWS = np.ones((2, 3, 5), np.float32), np.ones((6, 5), np.float32)
IDS, WIDE = np.zeros(6, int), np.ones(6, np.float32)
UNFIT = [  # compiled code does not look where its arrays end
    (lambda: elementwise.dropout_add(X, X[:1], 0.0, None), "the residual", (2, 3, 5), (1, 3, 5)),
    (
        lambda: elementwise.activation_dropout_backward(X[..., :4], X, "relu", 0.0, None),
        "dout", (2, 3, 5), (2, 3, 4),
    ),
    (lambda: elementwise.layer_norm(X, WIDE, X[0, 0], 1e-5), "gamma", (5,), (6,)),
    (lambda: elementwise.layer_norm(X, X[0, 0], WIDE, 1e-5), "beta", (5,), (6,)),
    (lambda: elementwise.layer_norm_backward(X[:1], X, X[..., :1], X[0, 0]), "dout", (2, 3, 5), (1, 3, 5)),
    (lambda: elementwise.layer_norm_backward(X, X, X[:1, :, :1], X[0, 0]), "rstd", (2, 3, 1), (1, 3, 1)),
    (lambda: elementwise.layer_norm_backward(X, X, X[..., :1], WIDE), "gamma", (5,), (6,)),
    (lambda: elementwise.cross_entropy(ROWS, IDS[:5], 0.0), "targets", (6,), (5,)),
    (lambda: elementwise.cross_entropy_backward(WIDE[:5], ROWS, WIDE[:, None], IDS, 0.0), "dlosses", (6,), (5,)),
    (lambda: elementwise.cross_entropy_backward(WIDE, ROWS, WIDE[:, None], IDS[:5], 0.0), "targets", (6,), (5,)),
    (lambda: elementwise.cross_entropy_backward(WIDE, ROWS, WIDE[:5, None], IDS, 0.0), "totals", (6, 1), (5, 1)),
    (lambda: elementwise.scatter_add(ROWS, IDS, ROWS[:5], 1.0), "rows", (6, 5), (5, 5)),
    (lambda: elementwise.scatter_add(ROWS, IDS, ROWS[:, :4], 1.0), "rows", (6, 5), (6, 4)),
    (lambda: update(ROWS, ROWS[:5], ROWS, ROWS), "grad", (6, 5), (5, 5)),
    (lambda: update(ROWS, ROWS, ROWS[:5], ROWS), "m", (6, 5), (5, 5)),
    (lambda: update(ROWS, ROWS, ROWS, ROWS[:5]), "v", (6, 5), (5, 5)),
]  # fmt: skip


def test_places_that_do_not_exist_are_refused():
    table = np.zeros((4, 5), np.float32)
    for ids in ([0, 10**12, 1], [-1, 2, 3], [4, 0, 0]):
        ids, message = np.array(ids), f"are expected in 0 .. 3, got {min(ids)} .. {max(ids)}"
        with pytest.raises(ValueError, match=f"^ids {message}$"):
            elementwise.scatter_add(table, ids, ROWS[:3], 1.0)
        with pytest.raises(ValueError, match=f"^targets {message}$"):
            elementwise.cross_entropy(ROWS[:3, :4], ids, 0.0)
        with pytest.raises(ValueError, match=f"^targets {message}$"):
            elementwise.cross_entropy_backward(WIDE[:3], ROWS[:3, :4], WIDE[:3, None], ids, 0.0)
    elementwise.scatter_add(table, np.array([3, 0]), ROWS[:2], 1.0)
    np.testing.assert_array_equal(table.sum(axis=1), [5, 0, 0, 5])


def test_a_division_by_zero_is_what_numpy_makes_of_it():
    """An error halfway through would leave parameters and moments half updated."""
    out, *_ = elementwise.layer_norm(X, X[0, 0], X[0, 0], 0.0)
    assert np.isnan(out).all()
    data, grad, m, v = (np.full((400, 99), value, np.float32) for value in (2, 1, 0, 0))
    grad[7, 7] = 0
    elementwise.adam(data, grad, m, v, (0.9, 0.999), 1.0, 0.0, 1e-3, 1.0)
    assert np.isnan(data[7, 7]) and np.isnan(data).sum() == 1


@pytest.mark.parametrize("rows", [0, 2])
def test_a_product_of_nothing_is_the_bias(rows):
    bias = np.arange(3, dtype=np.float32)
    out = elementwise.product(np.ones((4, rows, 0), np.float32), np.ones((0, 3), np.float32), bias)
    np.testing.assert_array_equal(out, np.broadcast_to(bias, (4, rows, 3)))
    assert elementwise.dropout_add(np.ones((2, 0), np.float32), None, 0.1, DropoutKey(0)).shape == (2, 0)


def update(data, grad, m, v):
    elementwise.adam(data, grad, m, v, (0.9, 0.999), 1.0, 1e-8, 1e-3, 1.0)


@pytest.mark.parametrize(("call", "name", "expected", "found"), UNFIT)
def test_shapes_that_do_not_fit_are_refused(call, name, expected, found):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == f"{name} is expected to have shape {expected}, got {found}"


@pytest.mark.parametrize("b", [ROWS, ROWS.T[:, :4]])
def test_a_product_that_does_not_fit_is_refused(b):
    with pytest.raises(
        ValueError, match=r"a \(\.\.\., K\), b \(K, M\) and bias \(M,\) are expected, got \(2, 3, 5\), "
    ):
        elementwise.product(X, b, WIDE)


@pytest.mark.parametrize("place", range(4))
def test_adam_works_in_place_and_so_wants_contiguous_arrays(place):
    arrays = [np.ones((5, 6), np.float32) for _ in range(4)]
    arrays[place] = ROWS.T
    with pytest.raises(
        ValueError, match=f"^{('data', 'grad', 'm', 'v')[place]} is expected to be contiguous, got strides"
    ):
        update(*arrays)


def test_every_kernel_goes_by_its_name_and_tells_what_it_costs(rng, monkeypatch):
    """Both are said to a person or decide how many threads wake: nothing else would show that they are wrong."""
    launched = []

    def record(name, kernel, dtype, cost, *arguments):
        launched.append((name, dtype, cost))

    monkeypatch.setattr(elementwise, "launch", record)
    monkeypatch.setattr(numba_product, "launch", record)
    elementwise.dropout_add(X, None, 0.1, DropoutKey(0))
    elementwise.activation_dropout(X, "relu", 0.1, DropoutKey(0))
    elementwise.activation_dropout_backward(X, X, "relu", 0.1, DropoutKey(0))
    elementwise.layer_norm(X, X[0, 0], X[0, 0], 1e-5)
    elementwise.layer_norm_backward(X, X, X[..., :1], X[0, 0])
    elementwise.cross_entropy(ROWS, IDS, 0.0)
    elementwise.cross_entropy_backward(WIDE, ROWS, WIDE[:, None], IDS, 0.0)
    elementwise.scatter_add(np.ones((9, 5), np.float32), IDS, ROWS, 1.0)
    update(ROWS, ROWS, ROWS, ROWS)
    elementwise.product(X, np.ones((5, 7), np.float32), None)
    elementwise.most_probable(ROWS, 2)
    names = (
        "dropout; activation; activation, backward; LayerNorm; LayerNorm, backward; cross-entropy; "
        "cross-entropy, backward; scatter-add; Adam"
    )
    assert launched[:9] == [(name, np.float32, 30) for name in names.split("; ")]
    others = ("product, packing", 35), ("product", 30 * 7 / 50), ("most probable", 60)
    assert launched[9:] == [(name, np.float32, cost) for name, cost in others]


@dtypes
def test_what_comes_in_another_precision_is_cast(rng, dtype):
    """As float64 beside float32 parameters comes from a loss that is computed in float64, or the other way round."""
    other = np.float64 if dtype == np.float32 else np.float32
    x, dout = rng.normal(size=(2, 7, 5)).astype(dtype)
    layers = twins(LayerNorm(5, dtype=dtype), rng)
    assert layers[1].backward(dout.astype(other), layers[1].forward(x)[1]).dtype == dtype
    feed_forward = FeedForward(5, 3, rng, dtype=dtype).use_backend("numba")
    hidden = rng.normal(size=(7, 3))
    slopes = [
        elementwise.activation_dropout_backward(d, hidden.astype(dtype), "gelu", 0.0, None)
        for d in (hidden.astype(other), hidden.astype(other).astype(dtype))
    ]
    np.testing.assert_array_equal(*slopes, strict=True)
    assert feed_forward(x).dtype == dtype
    sums = [elementwise.dropout_add(x, residual, 0.0, None) for residual in (dout.astype(other), dout)]
    assert sums[0].dtype == dtype
    np.testing.assert_allclose(*sums, rtol=1e-6)
    tables = [np.zeros((3, 5), dtype) for _ in range(2)]
    for table, rows in zip(tables, (dout.astype(other), dout.astype(other).astype(dtype)), strict=True):
        elementwise.scatter_add(table, np.arange(7) % 3, rows, 0.3)
    np.testing.assert_array_equal(*tables)


def test_what_is_read_only_or_lies_apart_is_taken_by_the_same_compilations(rng, monkeypatch):
    signatures, share = {}, compilation.share

    def recording(kernel, cost, *arguments):
        signatures.setdefault(kernel, set()).add(tuple(map(typeof, arguments)))
        share(kernel, cost, *arguments)

    monkeypatch.setattr(compilation, "share", recording)
    x = rng.normal(size=(4, 6, 8)).astype(np.float32)
    for array in (x, x.swapaxes(0, 1), np.asfortranarray(x), x[:, :, ::2], x[::-1]):
        for writeable in (True, False):
            view = array.view()
            view.flags.writeable = writeable
            row = view[0, 0]
            out, normalized, rstd = elementwise.layer_norm(view, row, row, 1e-5)
            np.testing.assert_allclose(out, LayerNorm(len(row))(view) * row + row, atol=1e-5)
            for like in (view, view.astype(np.float64)):
                elementwise.layer_norm_backward(like, normalized, rstd, row)
                elementwise.dropout_add(view, like, 0.0, None)
                elementwise.activation_dropout_backward(like, view, "relu", 0.0, None)
            logits, targets = view.reshape(-1, view.shape[-1]), np.zeros(view.size // view.shape[-1], np.int32)
            logits.flags.writeable = writeable
            _, exps, totals = elementwise.cross_entropy(logits, targets, 0.1)
            elementwise.most_probable(logits, 2)
            elementwise.cross_entropy_backward(logits[:, 0], exps, totals, targets, 0.1)
    assert {len(found) for found in signatures.values()} == {1}
