"""Every attention backend against the specification, and one against another: one suite, parametrised over them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import typeof

from minisora.kernels import (
    DropoutKey,
    attention_backward,
    attention_forward,
    attention_steps,
    backend_names,
    compilation,
    get_backend,
    threads,
)
from minisora.layers.attention import MultiHeadAttention

OTHERS = [name for name in backend_names("cpu") if name != "numpy"]
MIDDLE_RUNGS = ("numba-tiles", "numba-blas")  # in float64 of interest to few, and ten seconds to compile
drawn = settings(max_examples=70, deadline=None, derandomize=True, database=None)


@pytest.fixture(params=OTHERS)
def backend(request):
    return get_backend(request.param)


@st.composite
def cases(draw):
    """q, k, v, dout in float64 of odd sizes, and options: masks with blind rows, causal with an offset, dropout.

    Some reach over several blocks of queries and keys, and masks may hide all keys of the first ones.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    batch, heads = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    targets, sources = (draw(st.sampled_from([1, 2, 3, 5, 7, 13, 17, 31, 67, 139, 293])) for _ in range(2))
    d_k, d_v = (draw(st.sampled_from([1, 2, 3, 5, 8, 17, 64])) for _ in range(2))
    shapes = ((targets, d_k), (sources, d_k), (sources, d_v), (targets, d_v))
    arrays = [rng.normal(0, draw(st.sampled_from([0.3, 1, 3])), (batch, heads, *shape)) for shape in shapes]
    key_mask = None
    if draw(st.booleans()):
        key_mask = rng.random((batch, sources)) < 0.7
        key_mask[0] &= draw(st.booleans())
        key_mask[-1, : draw(st.sampled_from([0, 1, 64, 130]))] = False
    dropout = draw(
        st.sampled_from([None, (0.0, DropoutKey(3)), (0.3, DropoutKey(5).child("a")), (0.9, DropoutKey(-7))])
    )
    scale = draw(st.sampled_from([None, 0.37]))
    return arrays, dict(key_mask=key_mask, causal=draw(st.booleans()), scale=scale, dropout=dropout)


def results(backend, arrays, options, dtype):
    """Return out, lse, dq, dk, dv."""
    q, k, v, dout = (array.astype(dtype) for array in arrays)
    out, cache = backend.forward(q, k, v, **options)
    return [out, cache.lse, *backend.backward(dout, cache)]


def errors(found, exact):
    """Return the largest error of each array; infinities must be the same."""
    result = []
    for a, c in zip(found, exact, strict=True):
        finite = np.isfinite(c)
        np.testing.assert_array_equal(np.isfinite(a), finite)
        result.append(np.abs(a[finite] - c[finite]).max(initial=0))
    return result


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in MIDDLE_RUNGS else name for name in OTHERS]
)
@drawn
@given(cases())
def test_float64_is_the_specification(name, case):
    ours, specified = (results(get_backend(n), *case, np.float64) for n in (name, "numpy"))
    arrays = case[0]
    steepest = np.prod([max(1, np.abs(array).max()) for array in arrays])  # dq and dk are sums of such products
    for number, (a, error) in enumerate(zip(ours, errors(ours, specified), strict=True)):
        assert a.dtype == np.float64
        np.testing.assert_array_equal(np.isneginf(a), np.isneginf(specified[number]))
        largest = np.abs(specified[number][np.isfinite(specified[number])]).max(initial=1)
        assert error <= (1e-12 * largest if number < 2 else 1e-14 * steepest)


@pytest.mark.parametrize("name", OTHERS)
@drawn
@given(cases(), st.integers(0, 2**32))
def test_float32_is_as_right_as_numpy_in_float32(name, case, seed):
    """Its error against float64 is at most twice NumPy's (three times for gradients), and four ulp of the largest.

    Over sixteen heads of normal values, so that NumPy is not right by chance. Where a query sees one key, its dq is 0
    in exact arithmetic, and what is left is the rounding of the terms that cancel, of the size of scale dout v^T k.
    """
    rng, options = np.random.default_rng(seed), case[1] | {"scale": None}
    arrays = [rng.normal(size=(len(array), 16, *array.shape[2:])) for array in case[0]]
    exact = results(get_backend("numpy"), arrays, options, np.float64)
    plain = errors(results(get_backend("numpy"), arrays, options, np.float32), exact)
    found = results(get_backend(name), arrays, options, np.float32)
    assert {array.dtype for array in found} == {np.dtype(np.float32)}
    q, k, v, dout = arrays
    factor = q.shape[-1] ** -0.5 / (1 - (options["dropout"] or (0, None))[0])
    terms = factor * np.abs(dout @ v.swapaxes(-1, -2)).max() * max(np.abs(q).max(), np.abs(k).max())
    steepest = max(np.abs(gradient).max(initial=0) for gradient in exact[2:])
    for number, error in enumerate(errors(found, exact)):
        finite = exact[number][np.isfinite(exact[number])]
        times, largest = (2, np.abs(finite).max(initial=0)) if number < 2 else (3, max(steepest, 4 * terms))
        assert error <= times * plain[number] + 4 * np.spacing(np.float32(largest)), number


def inputs(rng, dtype=np.float64, targets=5, sources=7):
    shapes = ((2, 3, targets, 11), (2, 3, sources, 11), (2, 3, sources, 13))
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def test_any_forward_may_be_followed_by_any_backward(rng, backend):
    options = dict(causal=True, dropout=(0.3, DropoutKey(5)))
    out, ours = backend.forward(*inputs(rng), **options)
    specified = ours._replace(lse=attention_forward(*ours[:3], **options)[1].lse)
    dout = rng.normal(size=out.shape)
    for a, b in zip(attention_backward(dout, ours), backend.backward(dout, specified), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(attention_steps(ours).weights, attention_steps(specified).weights, rtol=1e-13)


def test_strided_and_read_only_inputs_are_taken_and_left_alone(rng, backend):
    q, k, v = inputs(rng)
    wide = [np.concatenate([array, array], axis=-1)[..., ::2] for array in (q, k)]
    turned = np.ascontiguousarray(v.swapaxes(1, 2)).swapaxes(1, 2)
    for array in (*wide, turned):
        array.flags.writeable = False
    out, cache = backend.forward(*wide, turned)
    specified, _ = attention_forward(*wide, turned)
    np.testing.assert_allclose(out, specified, rtol=1e-12)
    assert cache.q is wide[0]
    dout = rng.normal(size=out.shape)[:, :, ::-1]
    for a, b in zip(backend.backward(dout, cache), attention_backward(dout, cache), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_a_gradient_of_another_precision_is_taken_in_that_of_the_inputs(rng, backend):
    out, cache = backend.forward(*inputs(rng, np.float32))
    dout = rng.normal(size=out.shape)
    for a, b in zip(backend.backward(dout, cache), backend.backward(dout.astype(np.float32), cache), strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize(("batch", "targets", "sources"), [(0, 5, 7), (2, 0, 7), (2, 5, 0), (0, 0, 0)])
def test_nothing_is_taken(backend, batch, targets, sources):
    q, k, v = (np.ones((batch, 3, length, 5)) for length in (targets, sources, sources))
    out, cache = backend.forward(q, k, v)
    np.testing.assert_array_equal(out, np.zeros((batch, 3, targets, 5)) if sources == 0 else np.ones_like(out))
    gradients = backend.backward(np.ones_like(out), cache)
    assert [gradient.shape for gradient in gradients] == [q.shape, k.shape, v.shape]


def test_a_visible_nan_reaches_its_row_alone(rng, backend):
    q, k, v = inputs(rng)
    q[0, 0, 2, 0] = np.nan
    out, _ = backend.forward(q, k, v)
    wrong = np.isnan(out).any(axis=-1)
    assert wrong[0, 0, 2]
    assert wrong.sum() == 1


def test_huge_scores_do_not_overflow(rng, backend):
    q, k, v = inputs(rng, np.float32)
    out, _ = backend.forward(1e4 * q, 1e4 * k, v)
    np.testing.assert_allclose(out, attention_forward(1e4 * q, 1e4 * k, v)[0], rtol=1e-4, atol=1e-5)


def test_a_query_does_not_depend_on_others_of_its_block_nor_on_the_future(rng, backend):
    """To the last bit, over several blocks of keys: running maxima of small scores, and large ones beside them."""
    q, k, v = (0.3 * rng.normal(size=(2, 3, 192, 11)).astype(np.float32) for _ in range(3))
    before, _ = backend.forward(q, k, v, causal=True)
    for array in (q, k, v):
        array[:, :, 150:] *= rng.normal(0, 1000, (42, 1)).astype(np.float32)
    q[:, :, 5] *= 1000
    after, _ = backend.forward(q, k, v, causal=True)
    others = [t for t in range(150) if t != 5]
    np.testing.assert_array_equal(after[:, :, others], before[:, :, others])
    assert (after[:, :, 150:] != before[:, :, 150:]).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_that_overflow_are_no_error(rng, backend, dtype):
    """What the specification answers with NaN is NaN, in its own row."""
    q, k, v = (rng.normal(size=(1, 1, length, 4)).astype(dtype) for length in (3, 5, 5))
    q[0, 0, 1] = [np.finfo(dtype).max / 4, 0, 0, 0]
    k[..., 0] = -16
    out, cache = backend.forward(q, k, v)
    assert np.isnan(out[0, 0, 1]).all() and np.isfinite(out[0, 0, ::2]).all()
    assert np.isnan(cache.lse[0, 0, 1])
    assert all(np.isnan(gradient).any() for gradient in backend.backward(np.ones_like(out), cache))


@pytest.mark.parametrize("factor", [1e3, 1e8, 1e20])
def test_no_weight_exceeds_one_however_large_the_scores(rng, backend, factor):
    q, k, v, dout = (rng.normal(size=(1, 1, 70, 16)).astype(np.float32) for _ in range(4))
    _, cache = backend.forward(np.float32(factor) * q, k, v)
    dv = backend.backward(np.abs(dout), cache)[2]
    assert dv.min() >= 0
    assert dv.max() <= np.abs(dout).sum(axis=2).max() * 1.0001


def test_the_numbers_do_not_depend_on_the_threads_and_repeat(rng, backend, monkeypatch):
    arrays = [*inputs(rng, np.float32, 67, 531), rng.normal(size=(2, 3, 67, 13))]
    options = dict(causal=True, dropout=(0.2, DropoutKey(1)))
    monkeypatch.setattr(threads, "_WORTH", 1)
    found = []
    for count in (1, 2, 5, 1):
        monkeypatch.setenv("MINISORA_NUM_THREADS", str(count))
        found.append(results(backend, arrays, options, np.float32))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_four_compilations_serve_every_call(rng, backend, monkeypatch):
    """Forward and backward in two precisions; sizes, masks, dropout, strides and scales are no types of their own."""
    launched, share = set(), compilation.share

    def recording(kernel, cost, *arguments):
        launched.add((kernel, *map(typeof, arguments)))
        share(kernel, cost, *arguments)

    monkeypatch.setattr(compilation, "share", recording)
    for dtype, targets, scale in (
        (np.float32, 5, None),
        (np.float32, 70, 2),
        (np.float64, 5, 0.3),
        (np.float64, 1, None),
    ):
        q, k, v = inputs(rng, dtype, targets)
        visible = rng.random((2, 7)) < 0.7
        for causal, mask, dropout in (
            (False, None, None),
            (True, visible, (0.2, DropoutKey(1))),
            (np.False_, np.asfortranarray(visible), (0, DropoutKey(2))),
        ):
            out, cache = backend.forward(q, k, v, causal=causal, key_mask=mask, dropout=dropout, scale=scale)
            backend.backward(np.ones(out.shape), cache)
        turned = (np.ascontiguousarray(array.swapaxes(1, 2)).swapaxes(1, 2) for array in (q, k, v))
        q, k, v = map(np.lib.stride_tricks.as_strided, turned)
        q.flags.writeable = False
        out, cache = backend.forward(q, k, v)
        backend.backward(out.swapaxes(1, 2).copy().swapaxes(1, 2), cache._replace(out=np.asfortranarray(out)))
    assert len(launched) == 4


@pytest.mark.parametrize("array", [np.ones((1, 1, 2, 3), complex), np.ones((1, 1, 2, 3), np.float16)])
def test_another_precision_is_refused(backend, array):
    with pytest.raises(ValueError, match=f"expects float32 or float64 arrays of NumPy, got {array.dtype}"):
        backend.forward(array, array, array)


def test_what_does_not_fit_is_refused(rng, backend):
    q, k, v = inputs(rng)
    with pytest.raises(ValueError, match="the same S"):
        backend.forward(q, k, v[:, :, :2])
    with pytest.raises(ValueError, match="boolean array"):
        backend.forward(q, k, v, key_mask=np.ones((2, 7)))


@pytest.mark.parametrize("shape", [(2, 3, 5, 1), (2, 3, 1, 13), (2, 3, 5, 14), (2, 3, 6, 13), (1, 3, 5, 13), (5, 13)])
def test_a_gradient_that_does_not_fit_is_refused(rng, backend, shape):
    """Compiled code would read beyond its end."""
    _, cache = backend.forward(*inputs(rng))
    with pytest.raises(ValueError, match=r"expects dout \(B, H, T, d_v\) = \(2, 3, 5, 13\), got \("):
        backend.backward(np.ones(shape), cache)


@pytest.mark.parametrize("p", [1.0, -0.1, np.nan])
def test_a_probability_that_is_none_is_refused(rng, backend, p):
    with pytest.raises(ValueError, match="dropout probability must be at least 0 and below 1"):
        backend.forward(*inputs(rng), dropout=(p, DropoutKey(0)))


def test_inside_multi_head_attention(rng, backend):
    layers = [
        MultiHeadAttention(6, 2, np.random.default_rng(0), dropout=0.3, backend=name, dtype=np.float64)
        for name in (backend.name, "numpy")
    ]
    x, memory, dout = (rng.normal(size=(3, length, 6)) for length in (5, 7, 5))
    found = []
    for layer in layers:
        out, cache = layer.forward(x, memory, key=DropoutKey(2))
        gradients = layer.backward(dout, cache)
        found.append([out, *gradients, *(parameter.grad for _, parameter in layer.parameters())])
        assert cache.weights.shape == (3, 2, 5, 7)
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
