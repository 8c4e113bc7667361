"""Beam search: at every step the best few hypotheses of each source, all sources and hypotheses as one batch."""

import numpy as np

from minisora.generation.beam_tree import BeamTree
from minisora.generation.config import GenerationConfig
from minisora.generation.decode import start
from minisora.generation.largest import largest
from minisora.generation.penalties import Penalties
from minisora.kernels import array_module
from minisora.layers.layer import mover

FEW = 64  # most probable tokens that the fused operation finds faster


def beam_search(model, source_ids, config=None, *, max_len=None, source_mask=None, watch=None):
    """Search for the hypotheses with the highest score, log P(Y | X) / lp(Y) [1]_.

    On a GPU one array is read for each token, with the candidates, and one is sent, with those that live on.

    Parameters
    ----------
    model : SoraModel
    source_ids : int array (B, S)
    config : GenerationConfig
        ``beams``, ``length_penalty`` and the penalties count.
    max_len : int, optional
        Longest output, in tokens; the model's when None, which it may not exceed. What is longer is cut.
    source_mask : bool array (B, S), optional
        True = may be attended; ``source_ids != pad_id`` when None.
    watch : Watch, optional
        Keeps what attention looks at.

    Returns
    -------
    list of BeamTree
        One a source: ``tree.best(n)``, ``tree.ids(place)``.

    References
    ----------
    .. [1] Wu et al., "Google's Neural Machine Translation System", 2016, eq. (14), without the coverage penalty.
    """
    config = config or GenerationConfig()
    state = start(model, source_ids, max_len, source_mask, watch)
    xp, beams = state.xp, config.beams
    trees = [BeamTree(beams, config.length_penalty, model.config.eos_id) for _ in range(state.batch)]
    state.widen(beams)
    penalties = Penalties(config, state)
    running, ids = trees, xp.full(state.batch, model.config.bos_id)
    while running and state.length < state.max_len:
        logits, state = model.decoder.step(ids, state)  # (B K, V)
        if watch is not None:
            watch.look(state)
        gains, tokens = candidates(penalties.apply(logits), 2 * beams, model.decoder.fused(logits))
        going = [
            tree.advance(gains[row : row + beams], tokens[row : row + beams], row)
            for row, tree in zip(range(0, len(gains), beams), running, strict=True)
        ]
        running = [tree for tree in running if tree.live]
        if running and state.length < state.max_len:
            rows, ids = xp.asarray(np.array([one for tree in going for one in tree]).T)
            move = state.reorder_past if len(rows) == state.batch else state.reorder  # no source has ended: all stay
            move(rows)
            penalties.reorder(rows)
            penalties.note(ids)
    return trees


def candidates(logits, count, fused=None):
    """Return the highest log-probabilities of each row (N, V), falling, and their tokens: (N, count), on the host."""
    if fused and count <= FEW:  # its time grows with each of many
        return fused.most_probable(logits, count)
    xp = array_module(logits)
    values, tokens = largest(logits, min(count, logits.shape[-1]))
    peak = values[:, :1]
    log_total = xp.log(xp.exp(logits - peak).sum(axis=-1, keepdims=True))  # of all tokens
    gains = (values - peak - log_total).astype(np.float64)
    both = mover("cpu")(xp.stack([gains, tokens.astype(np.float64)]))  # one copy
    return both[0], both[1].astype(np.int64)
