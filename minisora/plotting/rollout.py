"""Attention rollout: how much of each input a stack's outputs are made of, if attention's weights were all there is.

It follows the weights through the residual connections: a layer passes on half of what stood at a place, and half of
what attention, averaged over the heads, brought there. It knows nothing of the values, of the projections, of the
feed-forward layers, nor of how large attention's output is beside what it is added to: a picture of the routes that
weights open, not of what matters to the answer.
"""

from typing import Any, NamedTuple

import numpy as np

from minisora.plotting.matrices import check_weights, matrices_by_layer


class DecoderRollout(NamedTuple):
    """What a decoder's outputs are made of; a row of both together sums to 1."""

    source: Any  # (T, S)
    target: Any  # (T, T)


def attention_rollout(layers, batch=0):
    """Return what a stack of self-attention makes of its inputs, (T, T): A_L ... A_2 A_1, A = (W + I) / 2 [1]_.

    W is a layer's weights, averaged over its heads. A row that sees nothing passes on what stood there.

    Parameters
    ----------
    layers : list of caches or of arrays (H, T, T)
        First to last: ``maps.encoder``, ``[layer.self_attention for layer in cache.stack.layers]``.
    batch : int
        Which sequence of a batch.

    References
    ----------
    .. [1] Abnar, Zuidema, "Quantifying Attention Flow in Transformers", 2020, section 3.
    """
    weights = _averaged("layers", layers, batch)
    if weights[0].shape[0] != weights[0].shape[1]:
        raise ValueError(f"layers is expected as self-attention, weights (H, T, T), got {weights[0].shape} a head")
    rollout = np.eye(len(weights[0]))
    for each in weights:
        rollout = _mixed(each) @ rollout
    return rollout


def decoder_rollout(encoder, decoder, cross, batch=0):
    """Return what a decoder makes of the source's and of the target's inputs, as a `DecoderRollout`.

    The paper has self-attention alone; this is its rule for the other residual connection: cross-attention keeps half
    of what stood at a place, and brings half from the memory, which is the encoder's rollout.

    Parameters
    ----------
    encoder, decoder, cross : lists of caches or of arrays (H, S, S), (H, T, T), (H, T, S)
        One for each layer, first to last, as in `AttentionMaps`.
    batch : int
        Which sequence of a batch.
    """
    memory = attention_rollout(encoder, batch)  # (S, S)
    own, across = _averaged("decoder", decoder, batch), _averaged("cross", cross, batch)
    targets, sources = own[0].shape[0], len(memory)
    if len(own) != len(across) or own[0].shape != (targets, targets) or across[0].shape != (targets, sources):
        raise ValueError(
            "as many layers of decoder (H, T, T) and cross (H, T, S) are expected, with the encoder's S, "
            f"got {len(own)} of {own[0].shape}, {len(across)} of {across[0].shape} a head and S = {sources}"
        )
    from_source, from_target = np.zeros((targets, sources)), np.eye(targets)
    for each, other in zip(own, across, strict=True):
        mixed = _mixed(each)
        from_source, from_target = mixed @ from_source, mixed @ from_target
        seen = other.sum(axis=-1, keepdims=True)  # 1, or 0 where no key is seen
        from_source = (from_source + other @ memory) / (1 + seen)
        from_target = from_target / (1 + seen)
    return DecoderRollout(from_source, from_target)


def _averaged(name, layers, batch):
    """The mean over the heads of each layer, (T, S)."""
    if type(layers) not in (list, tuple):
        raise ValueError(f"{name} is expected as a list with one for each layer, got {type(layers).__name__}")
    matrices = matrices_by_layer(layers, batch)
    check_weights(matrices)
    return [heads.astype(np.float64).mean(axis=0) for heads in matrices]


def _mixed(weights):
    """A = (W + I) / 2, whose rows sum to 1 also where a query sees nothing."""
    mixed = weights + np.eye(len(weights))
    return mixed / mixed.sum(axis=-1, keepdims=True)
