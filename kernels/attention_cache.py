"""What every attention backend shares: the cache between forward and backward, and the check of the inputs."""

from typing import Any, NamedTuple

from minisora.kernels.array_module import check_same_device


class AttentionCache(NamedTuple):
    """All that a backward needs, without a (T, S) matrix; the same for every backend, so that any may follow any."""

    q: Any  # (B, H, T, d_k)
    k: Any  # (B, H, S, d_k)
    v: Any  # (B, H, S, d_v)
    out: Any  # (B, H, T, d_v)
    lse: Any  # (B, H, T), log of the sum of exp(scores) over the visible keys; -inf where there is none
    key_mask: Any  # (B, S) bool or None, True = may be attended
    causal: bool
    scale: float
    dropout: tuple | None  # (p, DropoutKey)


class AttentionSteps(NamedTuple):
    """The matrices of one attention, computed again to be looked at; the last two None without a dout."""

    scores: Any  # (B, H, T, S), -inf where hidden
    weights: Any  # (B, H, T, S), before dropout
    dweights: Any  # (B, H, T, S)
    dscores: Any  # (B, H, T, S)


def check_attention_inputs(q, k, v, key_mask):
    """Raise ValueError, in one sentence, where shapes or types of attention's inputs do not fit together."""
    if q.ndim != 4 or k.ndim != 4 or v.ndim != 4:
        raise ValueError(
            "attention expects q (B, H, T, d_k), k (B, H, S, d_k) and v (B, H, S, d_v), "
            f"got {q.shape}, {k.shape} and {v.shape}"
        )
    if q.shape[:2] != k.shape[:2] or k.shape[:3] != v.shape[:3] or q.shape[-1] != k.shape[-1]:
        raise ValueError(
            "attention expects the same B and H in q, k and v, the same d_k in q and k, and the same S in k and v, "
            f"got {q.shape}, {k.shape} and {v.shape}"
        )
    for name, array in (("k", k), ("v", v)):
        check_same_device(name, array, "q", q)
    if not q.dtype == k.dtype == v.dtype:
        raise ValueError(f"attention expects one dtype for q, k and v, got {q.dtype}, {k.dtype} and {v.dtype}")
    if key_mask is not None:
        check_key_mask(key_mask, k.shape[0], k.shape[2])
        check_same_device("the key mask", key_mask, "the keys", k)


def check_gradient(dout, cache):
    """Raise ValueError unless dout has the shape of the output that it is the gradient of."""
    if getattr(dout, "shape", None) != cache.out.shape:
        raise ValueError(
            f"attention's backward expects dout (B, H, T, d_v) = {cache.out.shape}, got {getattr(dout, 'shape', dout)}"
        )


def check_key_mask(key_mask, batch, sources):
    """Raise ValueError unless key_mask is a boolean array (B, S)."""
    dtype, shape = getattr(key_mask, "dtype", type(key_mask).__name__), getattr(key_mask, "shape", "")
    if str(dtype) != "bool" or shape != (batch, sources):
        raise ValueError(
            f"a key mask is expected as a boolean array (B, S) = ({batch}, {sources}), True = may be attended, "
            f"got {dtype} {shape}"
        )
