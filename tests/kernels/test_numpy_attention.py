"""The specification of attention: by hand, against loops, at its edges. The gradient checks hold its gradients."""

import math

import numpy as np
import pytest

from minisora.kernels import (
    DropoutKey,
    attention_backward,
    attention_forward,
    attention_steps,
    keep_mask,
)

B, H, T, S, D_K, D_V = 2, 3, 5, 7, 11, 13


def random_inputs(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    shapes = ((B, H, T, D_K), (B, H, S, D_K), (B, H, S, D_V))
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def attention_by_loops(q, k, v, visible, scale):
    """out[b, h, t] = sum_s weight * v[b, h, s], one number at a time; visible (B, T, S)."""
    out = np.zeros((*q.shape[:3], v.shape[-1]))
    for b, h, t in np.ndindex(q.shape[:3]):
        seen = [s for s in range(k.shape[2]) if visible[b, t, s]]
        exps = [math.exp(scale * float(q[b, h, t] @ k[b, h, s])) for s in seen]
        for s, e in zip(seen, exps, strict=True):
            out[b, h, t] += e / sum(exps) * v[b, h, s]
    return out


def test_by_hand():
    """Scores 0 and ln 3 give the weights 1/4 and 3/4."""
    q = np.array([[[[1.0]]]])
    k = np.array([[[[0.0], [math.log(3)]]]])
    v = np.array([[[[4.0, 0.0], [0.0, 8.0]]]])
    out, cache = attention_forward(q, k, v)
    np.testing.assert_allclose(out[0, 0, 0], [1, 6], rtol=1e-15)
    np.testing.assert_allclose(cache.lse, [[[math.log(4)]]], rtol=1e-15)
    np.testing.assert_allclose(attention_steps(cache).weights[0, 0, 0], [0.25, 0.75], rtol=1e-15)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale", [None, 0.37])
def test_against_loops(causal, masked, scale):
    q, k, v = random_inputs()
    key_mask = np.random.default_rng(1).random((B, S)) < 0.6 if masked else None
    visible = np.ones((B, T, S), bool) if key_mask is None else np.repeat(key_mask[:, None], T, axis=1)
    if causal:
        visible = visible & np.array([[s <= t + S - T for s in range(S)] for t in range(T)])
    out, cache = attention_forward(q, k, v, key_mask=key_mask, causal=causal, scale=scale)
    expected = attention_by_loops(q, k, v, visible, D_K**-0.5 if scale is None else scale)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-14)
    weights = attention_steps(cache).weights
    assert (weights[~np.broadcast_to(visible[:, None], weights.shape)] == 0).all()


def test_the_last_query_sees_every_key_and_the_first_sees_the_offset():
    q, k, v = random_inputs()
    weights = attention_steps(attention_forward(q, k, v, causal=True)[1]).weights
    assert ((weights > 0).sum(axis=-1) == np.arange(S - T + 1, S + 1)).all()


def test_more_queries_than_keys_leaves_the_first_queries_with_nothing():
    k, q, v = random_inputs()  # T = 7 queries, S = 5 keys
    v = v[:, :, :T]
    out, cache = attention_forward(q, k, v, causal=True)
    dq, dk, dv = attention_backward(np.random.default_rng(3).normal(size=out.shape), cache)
    assert (out[:, :, :2] == 0).all()
    assert (dq[:, :, :2] == 0).all()
    assert (cache.lse[:, :, :2] == -np.inf).all()
    assert np.isfinite(out).all() and np.isfinite(dq).all() and np.isfinite(dk).all() and np.isfinite(dv).all()
    assert (out[:, :, 2:] != 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_that_sees_nothing_gives_zero_and_gradient_zero(dtype):
    q, k, v = random_inputs(dtype=dtype)
    key_mask = np.ones((B, S), bool)
    key_mask[1] = False
    out, cache = attention_forward(q, k, v, key_mask=key_mask)
    dout = np.random.default_rng(2).normal(size=out.shape).astype(dtype)
    gradients = attention_backward(dout, cache)
    steps = attention_steps(cache, dout)
    assert (out[1] == 0).all() and (out[0] != 0).all()
    for gradient in gradients:
        assert (gradient[1] == 0).all() and (gradient[0] != 0).all() and gradient.dtype == dtype
    assert (steps.weights[1] == 0).all() and (steps.dscores[1] == 0).all()
    assert out.dtype == dtype


def test_hidden_keys_and_values_have_no_influence_and_no_gradient():
    q, k, v = random_inputs()
    key_mask = np.arange(S) < 4
    key_mask = np.stack([key_mask, key_mask])
    out, cache = attention_forward(q, k, v, key_mask=key_mask)
    _, dk, dv = attention_backward(out, cache)
    k[:, :, 4:], v[:, :, 4:] = 1e3, -1e3
    changed, _ = attention_forward(q, k, v, key_mask=key_mask)
    np.testing.assert_array_equal(changed, out)
    assert (dk[:, :, 4:] == 0).all() and (dv[:, :, 4:] == 0).all()


def test_huge_scores_do_not_overflow():
    q, k, v = random_inputs(dtype=np.float32)
    out, cache = attention_forward(q * 1e4, k * 1e4, v)
    assert np.isfinite(out).all() and all(np.isfinite(g).all() for g in attention_backward(out, cache))


def test_a_visible_nan_reaches_its_row_alone():
    q, k, v = random_inputs()
    q[1, 2, 3, 4] = np.nan
    out, _ = attention_forward(q, k, v, causal=True)
    where = np.isnan(out).any(axis=-1)
    assert where[1, 2, 3] and where.sum() == 1


def test_dropout_scales_the_kept_weights():
    q, k, v = random_inputs()
    key = DropoutKey(5).child("a")
    out, cache = attention_forward(q, k, v, dropout=(0.4, key))
    weights = attention_steps(cache).weights
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-14)  # before dropout
    np.testing.assert_allclose(out, (weights * keep_mask(0.4, key, weights.shape, np) / 0.6) @ v, rtol=1e-13)


def test_the_steps_belong_to_the_gradients():
    q, k, v = random_inputs()
    key_mask = np.random.default_rng(1).random((B, S)) < 0.7
    out, cache = attention_forward(q, k, v, key_mask=key_mask, causal=True, dropout=(0.2, DropoutKey(1)))
    dout = np.random.default_rng(4).normal(size=out.shape)
    dq, dk, _ = attention_backward(dout, cache)
    steps = attention_steps(cache, dout)
    np.testing.assert_allclose(dq, steps.dscores @ k * cache.scale, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dk, steps.dscores.swapaxes(-1, -2) @ q * cache.scale, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(steps.dscores.sum(axis=-1), 0, atol=1e-14)  # a softmax does not feel a common shift


def test_every_step_by_its_formula():
    """With hidden keys and dropout: scores, weights before dropout, and the gradients of both."""
    q, k, v = random_inputs()
    key_mask, dropout = np.ones((B, S), bool), (0.4, DropoutKey(5))
    key_mask[1, 2:] = False
    out, cache = attention_forward(q, k, v, key_mask=key_mask, scale=0.3, dropout=dropout)
    assert cache.out is out
    dout = np.random.default_rng(1).normal(size=out.shape)
    scores = np.where(key_mask[:, None, None], 0.3 * q @ k.swapaxes(-1, -2), -np.inf)
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    dweights = dout @ v.swapaxes(-1, -2) * keep_mask(*dropout, weights.shape, np) / 0.6
    dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))
    for dout_given in (None, dout):
        steps = attention_steps(cache, dout_given)
        np.testing.assert_allclose(steps.scores, scores, rtol=1e-13)
        np.testing.assert_allclose(steps.weights, weights, rtol=1e-13)
    np.testing.assert_allclose(steps.dweights, dweights, rtol=1e-13)
    np.testing.assert_allclose(steps.dscores, dscores, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("causal", [False, True])
def test_no_keys_at_all_are_nothing_to_see(causal):
    q, k, v = (np.ones((2, 3, length, 5)) for length in (4, 0, 0))
    out, cache = attention_forward(q, k, v, causal=causal)
    np.testing.assert_array_equal(out, np.zeros((2, 3, 4, 5)))
    np.testing.assert_array_equal(cache.lse, np.full((2, 3, 4), -np.inf))
    gradients = attention_backward(np.ones_like(out), cache)
    assert [gradient.shape for gradient in gradients] == [q.shape, k.shape, v.shape]
    assert not gradients[0].any()


def test_backward_leaves_the_cache_alone():
    q, k, v = random_inputs()
    out, cache = attention_forward(q, k, v, causal=True)
    first = attention_backward(out, cache)
    for a, b in zip(first, attention_backward(out, cache), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_row_of_visible_minus_infinities_is_not_taken_for_one_that_sees_nothing():
    q, k, v = random_inputs()
    q[:], k[1] = 1, -np.inf
    out, _ = attention_forward(q, k, v, key_mask=np.ones((B, S), bool))
    assert np.isnan(out[1]).all() and np.isfinite(out[0]).all()


def test_a_scale_of_numpys_keeps_float32():
    assert attention_forward(*random_inputs(dtype=np.float32), scale=np.float64(0.3))[0].dtype == np.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda q, k, v: dict(q=q[0], k=k, v=v), "expects q \\(B, H, T, d_k\\)"),
        (lambda q, k, v: dict(q=q, k=k[0], v=v), "expects q \\(B, H, T, d_k\\)"),
        (lambda q, k, v: dict(q=q, k=k, v=v[0]), "expects q \\(B, H, T, d_k\\)"),
        (lambda q, k, v: dict(q=q[:, :1], k=k, v=v), "the same B and H"),
        (lambda q, k, v: dict(q=q[..., :3], k=k, v=v), "the same d_k"),
        (lambda q, k, v: dict(q=q, k=k, v=v[:, :, :2]), "the same S"),
        (lambda q, k, v: dict(q=q.astype(np.float32), k=k, v=v), "one dtype"),
        (lambda q, k, v: dict(q=q, k=k, v=v, key_mask=np.ones((B, T), bool)), "boolean array \\(B, S\\)"),
        (lambda q, k, v: dict(q=q, k=k, v=v, key_mask=np.ones((B, S))), "boolean array"),
        (lambda q, k, v: dict(q=q, k=k, v=v, key_mask=[True]), "attended, got list $"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    arguments = change(*random_inputs())
    with pytest.raises(ValueError, match=message):
        attention_forward(arguments.pop("q"), arguments.pop("k"), arguments.pop("v"), **arguments)
