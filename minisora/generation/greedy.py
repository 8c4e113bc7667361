"""Greedy decoding: at every step the most probable token."""

import numpy as np

from minisora.kernels import array_module


def greedy(model, source_ids, *, max_len=None, source_mask=None):
    """Decode a batch token by token, with the decoder's key/value cache, until each sequence has ended.

    On a GPU one array of ids is read for each token, since somebody must see that a sequence has ended; the rows that
    go on are sent only when one has.

    Parameters
    ----------
    model : SoraModel
    source_ids : int array (B, S)
    max_len : int, optional
        Longest output, in tokens; config.max_len when None, which it may not exceed.
    source_mask : bool array (B, S), optional
        True = may be attended; ``source_ids != pad_id`` when None.

    Returns
    -------
    list of list of int
        The ids of each sequence, without bos and eos.
    """
    xp = array_module(next(model.parameters())[1].data)
    source_ids = xp.asarray(source_ids)
    source_mask = model.encoder.visible(source_ids) if source_mask is None else xp.asarray(source_mask)
    memory = model.encoder(source_ids, key_mask=source_mask)
    state = model.decoder.start(memory, source_mask, max_len, source_ids)
    outputs = [[] for _ in source_ids]
    running = list(range(len(source_ids)))  # which output each row of the state belongs to
    ids = xp.full(len(source_ids), model.config.bos_id)
    while running and state.length < state.max_len:
        logits, state = model.decoder.step(ids, state)
        ids = logits.argmax(axis=-1)  # (B,)
        tokens = ids.tolist()
        rows = [row for row, token in enumerate(tokens) if token != model.config.eos_id]
        if len(rows) < len(running):  # sequences that have ended cost nothing more
            running = [running[row] for row in rows]
            kept = xp.asarray(np.array(rows, np.int64))
            ids = ids[kept]
            state.reorder(kept)
        for output, row in zip(running, rows, strict=True):
            outputs[output].append(tokens[row])
    return outputs
