"""Maps of attention and of its gradients: which query looks at which key, and which look would lower the loss."""

import numpy as np

from minisora.kernels import AttentionCache, attention_steps
from minisora.kernels.attention_cache import check_gradient
from minisora.layers.layer import mover
from minisora.plotting.font import chinese_font
from minisora.plotting.matrices import check_finite, check_weights, chosen, labels_of_axes, matrices_by_layer, place_of
from minisora.plotting.panels import Panel, diverging, draw_rows, rising

HEADS_A_ROW = 4
GRADIENTS = ("weights", "dweights", "dscores")  # as `AttentionSteps` has them


@chinese_font()
def plot_attention(weights, source=None, target=None, *, layer=None, head=None, batch=0, signed=False, values=None):
    """Return a figure of attention weights: one head, all heads of a layer, or layers by heads.

    A cell is grey where the weight is exactly 0, which is where the key is hidden; a row that sees nothing is hatched.
    All panels share one scale, from 0 to the largest weight.

    Parameters
    ----------
    weights : cache, array, or list of them
        An `AttentionCache` or the cache of an attention layer; an array (T, S), (H, T, S) or (B, H, T, S); or a list of
        these, one for each layer: ``[layer.self_attention for layer in cache.stack.layers]``, ``maps.cross``.
    source : list of str, optional
        The S tokens attended to; numbers when None. A str is its characters.
    target : list of str, optional
        The T tokens that attend; those of ``source`` when None and T = S.
    layer, head : int, optional
        Which to draw, counted from 0; all when None.
    batch : int
        Which sequence of a batch.
    signed : bool
        For scores and gradients: any numbers, in colours on both sides of 0; -inf, the score of a hidden key, is grey.
    values : bool, optional
        Whether to write numbers into the cells; None: where they can be read.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Where shapes, labels or numbers are not as above.

    Examples
    --------
    >>> figure = plot_attention([[[0.9, 0.1], [0.3, 0.7], [1.0, 0.0]]], "天气", "今天好")
    >>> figure.savefig("map.png")  # doctest: +SKIP
    """
    matrices = matrices_by_layer(weights, batch)
    (check_finite if signed else check_weights)(matrices)
    source, target = labels_of_axes(source, target, matrices[0].shape)
    layers, heads = chosen("layer", layer, len(matrices)), chosen("head", head, len(matrices[0]))
    drawn = [[matrices[i][h] for h in heads] for i in layers]
    colours = (diverging if signed else rising)([matrix for row in drawn for matrix in row])
    panels = [
        [
            Panel(matrix, np.isneginf(matrix) if signed else matrix == 0, _title(i, h, matrices), colours)
            for h, matrix in zip(heads, row, strict=True)
        ]
        for i, row in zip(layers, drawn, strict=True)
    ]
    if len(panels) == 1:  # the heads of one layer, in several rows, as even as they can be
        a_row = -(-len(heads) // -(-len(heads) // HEADS_A_ROW))
        panels = [panels[0][i : i + a_row] for i in range(0, len(heads), a_row)]
    return draw_rows(panels, source, target, values=values)


def _title(layer, head, matrices):
    """The panel's title, without what there is only one of."""
    parts = [f"layer {layer}"] * (len(matrices) > 1) + [f"head {head}"] * (len(matrices[0]) > 1)
    return ", ".join(parts)


@chinese_font()
def plot_attention_gradients(cache, dout, source=None, target=None, *, head=None, batch=0, values=None):
    """Return a figure with weights, dweights and dscores of attention, a column for each head; of one head, a row.

    Red is a positive gradient: a larger number there makes the loss larger. Each row has its own scale, with white at
    0. Hidden keys are grey in all three.

    Parameters
    ----------
    cache : AttentionCache
        Of a layer of several heads, its ``cache.attention``.
    dout : array (B, H, T, d_v)
        The gradient of attention's output.
    source, target, head, batch, values
        As for `plot_attention`.
    """
    if not isinstance(cache, AttentionCache):
        raise ValueError(
            f"an AttentionCache is expected, such as a layer's cache.attention, got {type(cache).__name__}"
        )
    check_gradient(dout, cache)
    steps = [mover("cpu")(step) for step in attention_steps(cache, dout)]  # (B, H, T, S) each
    shape = steps[0].shape
    source, target = labels_of_axes(source, target, shape)
    sequence = place_of("batch", batch, shape[0])
    heads = chosen("head", head, shape[1])
    hidden = np.isneginf(steps[0][sequence])
    rows = []
    for name, step, scale in zip(GRADIENTS, steps[1:], (rising, diverging, diverging), strict=True):
        matrices = [np.where(hidden[h], 0, step[sequence, h]) for h in heads]
        titles = [f"{name}, head {h}" if shape[1] > 1 else name for h in heads]
        colours = scale(matrices)
        rows.append([Panel(m, hidden[h], t, colours) for m, h, t in zip(matrices, heads, titles, strict=True)])
    if len(heads) == 1:  # side by side
        rows = [[panel for (panel,) in rows]]
    return draw_rows(rows, source, target, values=values)
