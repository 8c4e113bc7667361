"""One question on its way through a model, every number of it computed at that moment."""

from typing import NamedTuple

import numpy as np

from minisora.kernels import attention_steps


class Attention(NamedTuple):
    """One head of the encoder's first self-attention, seen from one token."""

    token: int  # its place in the question
    scores: np.ndarray  # (S,), q k^T / sqrt(d_k)
    weights: np.ndarray  # (S,), softmax(scores)
    out: np.ndarray  # (d_v,), weights v


class Step(NamedTuple):
    """One token that the decoder writes."""

    ids: list  # the most probable tokens, the first of them is taken
    probabilities: list
    seen: int  # the place in the question with the largest weight of the last cross-attention, its heads averaged


class Walk(NamedTuple):
    """From the ids of a question to its answer."""

    ids: list
    embedded: np.ndarray  # (S, D), sqrt(D) E[ids]
    vectors: np.ndarray  # (S, D), with the positions added: what the encoder reads
    attention: Attention
    memory: np.ndarray  # (S, D)
    steps: list  # of Step
    loss: float  # the sum of -log p over what was written, in nats


def walk(model, ids, *, candidates=3, head=0):
    """Send one question through a model, and decode greedily.

    Parameters
    ----------
    model : SoraModel
        With the standard attention, whose cache is known.
    ids : list of int
        The question's tokens.
    candidates : int
        How many tokens of each step are told.
    head : int
        Of the first self-attention.

    Returns
    -------
    Walk
    """
    source = np.array([ids])  # (1, S)
    embedding = model.encoder.embedded.embedding(source)
    vectors = model.encoder.embedded(source)
    memory, cache = model.encoder.forward(source)
    attention = look(cache.stack.layers[0].self_attention.attention, len(ids) - 1, head)
    steps = list(write(model, source, memory, candidates))
    loss = -sum(np.log(step.probabilities[0]) for step in steps)
    return Walk(list(ids), embedding[0], vectors[0], attention, memory[0], steps, float(loss))


def look(cache, token, head):
    """What one head did for one token: the formula of attention, step by step."""
    steps = attention_steps(cache)
    scores, weights = steps.scores[0, head, token], steps.weights[0, head, token]  # (S,)
    return Attention(token, scores, weights, cache.out[0, head, token])


def write(model, source, memory, candidates):
    """Yield a `Step` for each token until the end token, or until the model's longest text."""
    written = [model.config.bos_id]
    while len(written) <= model.config.max_len:
        logits, cache = model.decoder.forward(np.array([written]), memory, None, source)
        probabilities = softmax(logits[0, -1])  # (V,)
        best = np.argsort(-probabilities, kind="stable")[:candidates].tolist()
        cross = cache.stack.layers[-1].cross_attention.weights[0, :, -1]  # (H, S)
        yield Step(best, probabilities[best].tolist(), int(cross.mean(axis=0).argmax()))
        if best[0] == model.config.eos_id:
            return
        written.append(best[0])


def softmax(logits):
    """The probabilities of logits (V,), in float64: the smallest are told too."""
    exps = np.exp(logits.astype(np.float64) - logits.max())
    return exps / exps.sum()
