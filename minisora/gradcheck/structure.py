"""What no gradient check can see: a model may be differentiated rightly and wired wrongly.

Each function takes a model and ids, tries one property that a right model has, and returns by how much it is broken:
0.0 means to the last bit. All compare arrays of the same shape, except where the docstring says otherwise.
"""

import numpy as np


def future_leak(model, source_ids, decoder_ids, position):
    """Return how far the logits up to ``position`` move when every later decoder token is another one: causality."""
    changed = decoder_ids.copy()
    changed[:, position + 1 :] = _others(decoder_ids[:, position + 1 :], model.config.target_vocab_size)
    first, second = model(source_ids, decoder_ids), model(source_ids, changed)
    return _distance(first[:, : position + 1], second[:, : position + 1])


def padding_leak(model, source_ids, decoder_ids, source_mask):
    """Return how far the logits move when every source token that the mask hides is another one."""
    changed = np.where(source_mask, source_ids, _others(source_ids, model.config.source_vocab_size))
    return _distance(
        model(source_ids, decoder_ids, source_mask=source_mask), model(changed, decoder_ids, source_mask=source_mask)
    )


def source_echo(model, source_ids, decoder_ids):
    """Return how far the logits move when the source is another one: 0 means that nobody listens to it."""
    changed = np.where(
        source_ids == model.config.pad_id, source_ids, _others(source_ids, model.config.source_vocab_size)
    )
    return _distance(model(source_ids, decoder_ids), model(changed, decoder_ids))


def batch_leak(model, source_ids, decoder_ids, order):
    """Return how far the logits of a sequence move when the batch stands in another order."""
    return _distance(model(source_ids, decoder_ids)[order], model(source_ids[order], decoder_ids[order]))


def batch_of_one_gap(model, source_ids, decoder_ids):
    """Return the largest difference between a sequence alone and in its batch, relative to the largest logit.

    The shapes differ, and so does the order in which BLAS sums: 1e-12 is right in float64, 1e-5 in float32.
    """
    together = model(source_ids, decoder_ids)
    alone = [model(source_ids[b : b + 1], decoder_ids[b : b + 1])[0] for b in range(len(source_ids))]
    return _distance(together, np.stack(alone)) / np.abs(together).max()


def cache_gap(model, source_ids, decoder_ids):
    """Return the largest difference between decoding step by step and all at once, relative to the largest logit.

    The shapes differ as in `batch_of_one_gap`.
    """
    mask = source_ids != model.config.pad_id
    memory = model.encoder(source_ids, key_mask=mask)
    at_once = model.decoder(decoder_ids, memory, memory_mask=mask, source_ids=source_ids)  # (B, T, V)
    by_step, _ = _steps(model.decoder, decoder_ids, _start(model, source_ids, decoder_ids))
    return _distance(at_once, by_step) / np.abs(at_once).max()


def reorder_gap(model, source_ids, decoder_ids, rows, width=1):
    """Return how far the second half of a decoding that is reordered halfway is from one that began in that order.

    With ``width`` K, decoder_ids (B K, T) has K sequences for each source, which share what is kept of it; in the
    decoding that they are compared with, each has a source of its own.
    """
    half = decoder_ids.shape[1] // 2
    state = _start(model, source_ids, decoder_ids)
    state.widen(width)
    _, state = _steps(model.decoder, decoder_ids[:, :half], state)
    state.reorder(rows)
    late, _ = _steps(model.decoder, decoder_ids[rows, half:], state)
    early, _ = _steps(model.decoder, decoder_ids[rows], _start(model, source_ids[rows // width], decoder_ids))
    return _distance(late, early[:, half:])


def _start(model, source_ids, decoder_ids):
    mask = source_ids != model.config.pad_id
    memory = model.encoder(source_ids, key_mask=mask)
    return model.decoder.start(memory, mask, decoder_ids.shape[1], source_ids)


def _steps(decoder, decoder_ids, state):
    """Return the logits (B, T, V) of reading decoder_ids token by token, and the state."""
    logits = []
    for ids in decoder_ids.T:
        out, state = decoder.step(ids, state)
        logits.append(out)
    return np.stack(logits, axis=1), state


def position_mixing(attention, x, order):
    """Return by how much unmasked self-attention does more than mix whole positions, relative to its largest output.

    Without a mask it has no notion of order: permuted positions give permuted outputs. Heads that are cut out of the
    vectors without swapping the axes mix neighbouring positions instead of columns.
    """
    out = attention(x)
    return _distance(out[:, order], attention(x[:, order])) / np.abs(out).max()


def gradient_leak(model, source_ids, decoder_ids, position, rng):
    """Return the largest gradient that reaches what the logits of the first sequence up to ``position`` cannot know.

    That is: any other sequence, the decoder's later tokens, and the memory that the mask hides.
    """
    mask = source_ids != model.config.pad_id
    decoder, memory = model.decoder, model.encoder(source_ids, key_mask=mask)
    x = decoder.embedded(decoder_ids)
    out, cache = decoder.stack.forward(x, memory, memory_mask=mask)
    dout = np.zeros_like(out)
    dout[0, : position + 1] = rng.normal(size=dout[0, : position + 1].shape)
    dx, dmemory = decoder.stack.backward(dout, cache)
    unknown = [dx[1:], dx[0, position + 1 :], dmemory[1:], dmemory[0][~mask[0]]]
    return max(_distance(gradient, 0) for gradient in unknown)


def silent_parameters(model, source_ids, decoder_ids, rng):
    """Return the names of the parameters whose gradient is 0 everywhere: the loss does not reach them."""
    logits, cache = model.forward(source_ids, decoder_ids)
    model.zero_grad()
    model.backward(rng.normal(size=logits.shape), cache)
    silent = [name for name, parameter in model.parameters() if not parameter.grad.any()]
    model.zero_grad()
    return silent


def repeated_parameters(layer):
    """Return the names under which `parameters` yields a Parameter that it has yielded already: an update too many."""
    seen, repeated = set(), []
    for name, parameter in layer.parameters():
        if id(parameter) in seen:
            repeated.append(name)
        seen.add(id(parameter))
    return repeated


def _others(ids, vocab_size):
    """Return other ids, of the same shape, in every place; never the first three, which are special."""
    return 3 + (ids - 3 + 1) % (vocab_size - 3)


def _distance(a, b):
    difference = np.abs(a - b)
    return float(difference.max(initial=0.0)) if np.isfinite(difference).all() else float("inf")
