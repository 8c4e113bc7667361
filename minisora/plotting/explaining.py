"""One number of a forward or backward pass, and how it came about."""

import numpy as np

from minisora.kernels import AttentionCache
from minisora.layers.attention import MultiHeadAttentionCache
from minisora.layers.linear import LinearCache
from minisora.layers.loss import SoftmaxCrossEntropyCache
from minisora.layers.normalization import LayerNormCache
from minisora.plotting.arithmetic import Arithmetic
from minisora.plotting.explain_attention import AttentionFormulas
from minisora.plotting.explain_heads import MultiHeadFormulas
from minisora.plotting.explain_linear import LinearFormulas
from minisora.plotting.explain_loss import LossFormulas
from minisora.plotting.explain_norm import LayerNormFormulas
from minisora.plotting.formulas import work_out

BACKWARD = " without dout=, which the gradients need"


def explain(cache, name, index=(), *, dout=None, layer=None, x=None, digits=4, terms=6, depth=None):
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
        `SoftmaxCrossEntropy` ``exps probabilities losses total dlogits``.
    name : str
        Which array.
    index : tuple of int
        Which of its numbers, such as (b, h, t, s).
    dout : array, optional
        The gradient of the output; of the loss a number, the gradient of the total.
    layer : Layer, optional
        The layer that made the cache, for its parameters; needed by all but attention.
    x : array, optional
        Input of a LayerNorm, or the loss's logits: their caches do not keep it.
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
    named = _formulas(cache, dout, layer, x).named()
    if name not in named:
        missing = "" if dout is not None else BACKWARD
        raise ValueError(f"a name is expected of {', '.join(named)}, got {name!r}{missing}")
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        raise ValueError(f"depth is expected as an integer of at least 0, or None, got {depth!r}")
    return work_out(named, name, _checked(name, index, named[name]), Arithmetic(digits, terms), depth)


def _formulas(cache, dout, layer, x):
    """Return the formulas of a cache."""
    if x is not None and not isinstance(cache, LayerNormCache | SoftmaxCrossEntropyCache):
        raise ValueError(f"x is expected for a LayerNorm or the loss alone, got one for a {type(cache).__name__}")
    match cache:
        case AttentionCache():
            return AttentionFormulas(cache, dout)
        case MultiHeadAttentionCache():
            return MultiHeadFormulas(cache, layer, dout)
        case LinearCache():
            return LinearFormulas(cache, layer, dout)
        case LayerNormCache():
            return LayerNormFormulas(cache, layer, dout, x)
        case SoftmaxCrossEntropyCache():
            return LossFormulas(cache, layer, dout, x)
    raise ValueError(
        "a cache of attention, MultiHeadAttention, Linear, LayerNorm or SoftmaxCrossEntropy is expected, "
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
