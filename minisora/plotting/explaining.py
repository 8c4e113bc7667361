"""One number of a forward or backward pass, and how it came about."""

import numpy as np

from minisora.kernels import AttentionCache
from minisora.layers.activation import ActivationCache
from minisora.layers.attention import MultiHeadAttentionCache
from minisora.layers.copy_head import CopyCache, CopyHeadCache
from minisora.layers.dropout import DropoutCache
from minisora.layers.embedding import TokenEmbeddingCache
from minisora.layers.feed_forward import FeedForwardCache
from minisora.layers.linear import LinearCache
from minisora.layers.loss import SoftmaxCrossEntropyCache
from minisora.layers.normalization import LayerNormCache
from minisora.layers.positional import PositionsCache
from minisora.model import EmbeddedCache
from minisora.plotting.arithmetic import Arithmetic
from minisora.plotting.explain_activation import ActivationFormulas
from minisora.plotting.explain_attention import AttentionFormulas
from minisora.plotting.explain_copy import CopyFormulas
from minisora.plotting.explain_copy_head import CopyHeadFormulas
from minisora.plotting.explain_dropout import DropoutFormulas
from minisora.plotting.explain_embedded import EmbeddedFormulas
from minisora.plotting.explain_embedding import TokenEmbeddingFormulas
from minisora.plotting.explain_feed_forward import FeedForwardFormulas
from minisora.plotting.explain_heads import MultiHeadFormulas
from minisora.plotting.explain_linear import LinearFormulas
from minisora.plotting.explain_loss import LossFormulas
from minisora.plotting.explain_norm import LayerNormFormulas
from minisora.plotting.explain_positions import PositionFormulas
from minisora.plotting.formulas import work_out

BACKWARD = " without dout=, which the gradients need"
KEPT_BY_NONE = {  # inputs that the caches of these layers leave to the caller
    "x": (
        LayerNormCache,
        SoftmaxCrossEntropyCache,
        DropoutCache,
        PositionsCache,
        CopyCache,
        CopyHeadCache,
    ),
    "scores": (CopyCache,),
    "visible": (CopyCache, CopyHeadCache),
}


def explain(
    cache,
    name,
    index=(),
    *,
    dout=None,
    layer=None,
    x=None,
    scores=None,
    visible=None,
    digits=4,
    terms=6,
    depth=None,
):
    """Work out one number from those that it is made of: the formula, the formula with the numbers put in, the value.

    What the formula uses is worked out below it, down to what the cache was given: of a product every factor, of a long
    sum its largest term. Printed, or shown in a notebook, the result is text.

    Parameters
    ----------
    cache : cache
        Of attention: ``q k v scores weights out``, with dropout ``dropped``; with dout ``dweights dscores dq dk dv``,
        with dropout ``ddropped``. Of `MultiHeadAttention` the same, its inner out called ``heads``; given the layer
        also ``out dheads dx dmemory dW_q db_q ... dW_o db_o``, and all down to x and memory. Of `Linear` and
        `TiedLinear` ``out dx dW db``; of `LayerNorm` ``mean rstd normalized out dnormalized dx dgamma dbeta``; of
        `SoftmaxCrossEntropy` ``exps probabilities losses total dlogits``. Of `FeedForward` ``hidden active kept out
        dkept dactive dhidden dx dW_1 db_1 dW_2 db_2``; of `ReLU` and `GELU` ``out dx``; of both, where it is a GELU,
        also ``density``, or ``inner_tanh dinner`` of its approximation; of `Dropout` ``out dx``. Of
        `TokenEmbedding` ``out dtable``; of `SinusoidalPositions` and `LearnedPositions` ``table out dx dtable``; of
        `Embedded` ``vectors positions placed out dplaced dvectors dpositions dtable``. Of `copy_forward` ``exps totals
        out generated copied dlogits dscores``; of `CopyHead` also ``q k scores dq dk dx dmemory dW_q dW_k``.
    name : str
        Which array.
    index : tuple of int
        Which of its numbers, such as (b, h, t, s).
    dout : array, optional
        The gradient of the output; of the loss a number, the gradient of the total.
    layer : Layer, optional
        The layer that made the cache, for its parameters; needed by all but attention and `copy_forward`.
    x : array, optional
        Input that the cache does not keep: of LayerNorm, Dropout and positions their x; of the loss, of `copy_forward`
        and of `CopyHead` the logits.
    scores, visible : arrays (B, T, S) and bool (B, S), optional
        What else copying has forward and does not keep, beside x: of `copy_forward` both, of `CopyHead`, which makes
        its scores, visible alone: its memory_mask. Without visible every place may be copied.
    digits : int
        Significant digits of each number in the text.
    terms : int
        Longest sum that is written in full; of a longer one as many terms, the largest, and the sum of the others.
    depth : int, optional
        Levels to work out below the number itself; all when None.

    Returns
    -------
    Explanation
        ``value``, which is worked out from the numbers on its line in float64; ``steps``.

    Raises
    ------
    ValueError
        Where the cache has no such number, or an input does not fit.

    Examples
    --------
    >>> out, cache = attention_forward(q, k, v)  # doctest: +SKIP
    >>> print(explain(cache, "dscores", (0, 0, 1, 2), dout=dout))  # doctest: +SKIP
    """
    inputs = {"x": x, "scores": scores, "visible": visible}
    _check_inputs(cache, inputs)
    named = _formulas(cache, dout, layer, inputs).named()
    if name not in named:
        raise ValueError(f"a name is expected of {', '.join(named)}, got {name!r}{_left_out(cache, dout, inputs)}")
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        raise ValueError(f"depth is expected as an integer of at least 0, or None, got {depth!r}")
    return work_out(named, name, _checked(name, index, named[name]), Arithmetic(digits, terms), depth)


def _left_out(cache, dout, inputs):
    """Return what was not passed, and more names would need."""
    lacking = [f"{name}=" for name in ("x", "scores") if inputs[name] is None and isinstance(cache, KEPT_BY_NONE[name])]
    reasons = [BACKWARD] if dout is None else []
    if lacking:
        reasons.append(f" without {' and '.join(lacking)}, which the cache does not keep")
    return ", and".join(reasons)


def _check_inputs(cache, inputs):
    """Raise ValueError for an input that the layer of a cache does not have, or that the cache keeps."""
    for name, given in inputs.items():
        if given is not None and not isinstance(cache, KEPT_BY_NONE[name]):
            kinds = ", ".join(kind.__name__ for kind in KEPT_BY_NONE[name])
            raise ValueError(f"{name} is expected beside {kinds} alone, got one beside {type(cache).__name__}")


def _formulas(cache, dout, layer, inputs):
    """Return the formulas of a cache."""
    x, scores, visible = inputs.values()
    match cache:
        case AttentionCache():
            return AttentionFormulas(cache, dout)
        case MultiHeadAttentionCache():
            return MultiHeadFormulas(cache, layer, dout)
        case LinearCache():
            return LinearFormulas(cache, layer, dout)
        case FeedForwardCache():
            return FeedForwardFormulas(cache, layer, dout)
        case ActivationCache():
            return ActivationFormulas(cache, layer, dout)
        case DropoutCache():
            return DropoutFormulas(cache, layer, dout, x)
        case LayerNormCache():
            return LayerNormFormulas(cache, layer, dout, x)
        case TokenEmbeddingCache():
            return TokenEmbeddingFormulas(cache, layer, dout)
        case PositionsCache():
            return PositionFormulas(cache, layer, dout, x)
        case EmbeddedCache():
            return EmbeddedFormulas(cache, layer, dout)
        case CopyCache():
            return CopyFormulas(cache, dout, x, scores, visible)
        case CopyHeadCache():
            return CopyHeadFormulas(cache, layer, dout, x, visible)
        case SoftmaxCrossEntropyCache():
            return LossFormulas(cache, layer, dout, x)
    raise ValueError(
        "a cache of attention, copying, or a layer MultiHeadAttention, CopyHead, FeedForward, ReLU, GELU, Dropout, "
        "Linear, LayerNorm, TokenEmbedding, positions, Embedded or SoftmaxCrossEntropy is expected, "
        f"got {type(cache).__name__}"
    )


def _checked(name, index, number):
    """Return the index as a tuple of int from 0 up; ValueError where it does not lie in the array."""
    index, shape = tuple(np.atleast_1d(index).tolist()) if np.ndim(index) else (index,), np.shape(number.array)
    whole = all(isinstance(place, int) and not isinstance(place, bool) for place in index)
    if not whole or len(index) != len(shape) or not all(-n <= i < n for i, n in zip(index, shape, strict=True)):
        given = index if len(index) != 1 else index[0]
        raise ValueError(f"an index of {name} is expected within {number.axes} = {shape}, got {given!r}")
    return tuple(i % n for i, n in zip(index, shape, strict=True))
