"""Maps of what is computed from attention's weights: entropy and rollout."""

import numpy as np

from minisora.plotting.entropy import attention_entropy
from minisora.plotting.font import chinese_font
from minisora.plotting.matrices import labels_of_axes, matrices_by_layer
from minisora.plotting.panels import Panel, draw_rows, rising
from minisora.plotting.rollout import attention_rollout, decoder_rollout


@chinese_font()
def plot_entropy(weights, target=None, *, batch=0, values=None):
    """Return a figure of attention's entropy: of one layer for each head and query, of several the mean of each head.

    The mean is over the queries that see anything.

    Parameters
    ----------
    weights : cache, array, or list of them
        As for `plot_attention`.
    target : list of str, optional
        The T tokens that attend, for one layer.
    batch : int
        Which sequence of a batch.
    values : bool, optional
        Whether to write the numbers into the cells; None: where they can be read.
    """
    matrices = matrices_by_layer(weights, batch)
    entropy = np.stack([attention_entropy(heads) for heads in matrices])  # (L, H, T)
    blind = np.stack([heads.sum(axis=-1) == 0 for heads in matrices])
    layers, heads = (list(map(str, range(count))) for count in entropy.shape[:2])
    if len(matrices) == 1:
        _, queries = labels_of_axes(None, target, (entropy.shape[-1], 1))
        panel = Panel(entropy[0], blind[0], "entropy, nats", rising([entropy[0]]))
        return draw_rows([[panel]], queries, heads, values=values, names=("query", "head"))
    seeing = (~blind).sum(axis=-1)
    mean = entropy.sum(axis=-1) / np.maximum(seeing, 1)  # (L, H)
    panel = Panel(mean, seeing == 0, "mean entropy, nats", rising([mean]))
    return draw_rows([[panel]], heads, layers, values=values, names=("head", "layer"))


@chinese_font()
def plot_rollout(encoder, source=None, *, decoder=None, cross=None, target=None, batch=0, values=None):
    """Return a figure of attention rollout: of the encoder, or, given its layers, of the decoder.

    The decoder's map has the source's tokens, a line, and its own: a row of it sums to 1. What it can mean is said in
    `attention_rollout` and `decoder_rollout`.

    Parameters
    ----------
    encoder, decoder, cross : lists of caches or of arrays (H, S, S), (H, T, T), (H, T, S)
        One for each layer, first to last: ``maps.encoder``, ``maps.decoder``, ``maps.cross`` of an `AttentionMaps`.
    source, target : list of str, optional
        S and T tokens; the target's are those that the decoder reads.
    batch, values
        As for `plot_entropy`.
    """
    if (decoder is None) != (cross is None):
        raise ValueError("decoder and cross are expected together, got one of them")
    if decoder is None:
        rollout = attention_rollout(encoder, batch)
        source, target = labels_of_axes(source, source, rollout.shape)
        edge = None
    else:
        parts = decoder_rollout(encoder, decoder, cross, batch)
        rollout, edge = np.concatenate(parts, axis=-1), parts.source.shape[1]
        source, _ = labels_of_axes(source, None, (1, edge))
        target, _ = labels_of_axes(target, None, (1, len(rollout)))
        source = source + target
    figure = draw_rows([[Panel(rollout, rollout == 0, "rollout", rising([rollout]))]], source, target, values=values)
    if edge is not None:
        figure.axes[0].axvline(edge - 0.5, color="black", linewidth=1)
        figure.axes[0].set_xlabel("source, then target", fontsize=8, color="dimgray")
    return figure
