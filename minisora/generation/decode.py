"""Token by token over the decoder's state: what greedy decoding and sampling share, and how every decoding begins."""

import numpy as np

from minisora.kernels import array_module


def start(model, source_ids, max_len=None, source_mask=None, watch=None):
    """Read the sources and return the `DecoderState` of empty answers.

    Parameters
    ----------
    model : SoraModel
    source_ids : int array (B, S)
    max_len : int, optional
        Room for so many tokens; config.max_len when None, which it may not exceed.
    source_mask : bool array (B, S), optional
        True = may be attended; ``source_ids != pad_id`` when None.
    watch : Watch, optional
        Keeps what attention looks at.
    """
    xp = array_module(next(model.parameters())[1].data)
    source_ids = xp.asarray(source_ids)
    source_mask = model.encoder.visible(source_ids) if source_mask is None else xp.asarray(source_mask)
    memory, cache = model.encoder.forward(source_ids, key_mask=source_mask)
    state = model.decoder.start(memory, source_mask, max_len, source_ids)
    if watch is not None:
        watch.begin(cache, state)
    return state


def decode(model, state, choice, watch=None):
    """Yield, for every step, which sequences still run and the token that each of them says, eos included.

    On a GPU one array of ids is read for each token, since somebody must see that a sequence has ended; the rows that
    go on are sent only when one has.

    Parameters
    ----------
    model : SoraModel
    state : DecoderState
    choice : Choice
    watch : Watch, optional

    Yields
    ------
    running : list of int
        Which sequence each row of the state belongs to.
    tokens : list of int
    """
    running, ids = list(range(state.batch)), state.xp.full(state.batch, model.config.bos_id)
    while running and state.length < state.max_len:
        logits, state = model.decoder.step(ids, state)
        if watch is not None:
            watch.look(state)
        ids = choice(logits)  # (B,)
        tokens = ids.tolist()
        yield running, tokens
        rows = [row for row, token in enumerate(tokens) if token != model.config.eos_id]
        if len(rows) < len(running):  # sequences that have ended cost nothing more
            running = [running[row] for row in rows]
            kept = state.xp.asarray(np.array(rows, np.int64))
            ids = ids[kept]
            state.reorder(kept)
            choice.reorder(kept)


def collect(steps, batch, eos_id):
    """Return the ids of each sequence, without eos, and the rows of the state that it had, one a step."""
    outputs, rows = [[] for _ in range(batch)], [[] for _ in range(batch)]
    for running, tokens in steps:
        for row, (output, token) in enumerate(zip(running, tokens, strict=True)):
            rows[output].append(row)
            if token != eos_id:
                outputs[output].append(token)
    return outputs, rows
