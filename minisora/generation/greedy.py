"""Greedy decoding: at every step the most probable token."""

import numpy as np


def greedy(model, source_ids, *, max_len=None, source_mask=None):
    """Decode a batch token by token, with the decoder's key/value cache, until each sequence has ended.

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
    source_mask = model.encoder.visible(source_ids) if source_mask is None else source_mask
    memory = model.encoder(source_ids, key_mask=source_mask)
    state = model.decoder.start(memory, source_mask, max_len)
    outputs = [[] for _ in source_ids]
    running = np.arange(len(source_ids))  # which output each row of the state belongs to
    ids = np.full(len(source_ids), model.config.bos_id)
    while len(running) and state.length < state.max_len:
        logits, state = model.decoder.step(ids, state)
        ids = logits.argmax(axis=-1)  # (B,)
        rows = np.flatnonzero(ids != model.config.eos_id)
        if len(rows) < len(running):  # sequences that have ended cost nothing more
            running, ids = running[rows], ids[rows]
            state.reorder(rows)
        for output, token in zip(running.tolist(), ids.tolist(), strict=True):
            outputs[output].append(token)
    return outputs
