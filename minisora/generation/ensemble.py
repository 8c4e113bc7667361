"""Several models that answer as one: every token by the mean of their probabilities.

An ensemble stands where a model stands in `minisora.generation`: greedy decoding, sampling and beam search need of a
model its config, its encoder, and its decoder with the state.
"""

import math
from dataclasses import replace
from functools import reduce

from minisora.kernels import array_module

SHARED = ("source_vocab_size", "target_vocab_size", "pad_id", "bos_id", "eos_id")


class Ensemble:
    """Models trained apart, over the same vocabularies.

    p(y | x) = mean over the models of p_m(y | x), token by token [1]_.

    Parameters
    ----------
    models : sequence of SoraModel
        They may differ in their sizes; the shortest limit on texts counts.

    Raises
    ------
    ValueError
        Without a model, or where the vocabularies or the special ids differ.

    References
    ----------
    .. [1] Sutskever, Vinyals, Le, "Sequence to Sequence Learning with Neural Networks", 2014, section 3.4.
    """

    def __init__(self, models):
        models = list(models)
        if not models:
            raise ValueError("expected at least one model for an ensemble, got none")
        for name in SHARED:
            if len(values := {getattr(model.config, name) for model in models}) > 1:
                raise ValueError(f"expected models with the same {name}, got {' and '.join(map(str, sorted(values)))}")
        self.models = models
        self.config = replace(models[0].config, max_len=min(model.config.max_len for model in models))
        self.encoder = EnsembleEncoder([model.encoder for model in models])
        self.decoder = EnsembleDecoder([model.decoder for model in models])

    def parameters(self):
        """Yield (name, parameter) of all models."""
        for number, model in enumerate(self.models):
            for name, parameter in model.parameters():
                yield f"{number}.{name}", parameter


class EnsembleEncoder:
    """One memory from each encoder."""

    def __init__(self, encoders):
        self.encoders = encoders
        self.visible = encoders[0].visible

    def forward(self, ids, *, key_mask=None):
        """Map ids (B, S) to a list of memories (B, S, D); the caches are not kept."""
        return [encoder.forward(ids, key_mask=key_mask)[0] for encoder in self.encoders], None


class EnsembleDecoder:
    """The decoders side by side, each with its own state."""

    def __init__(self, decoders):
        self.decoders = decoders
        self.fused = decoders[0].fused

    def start(self, memories, memory_mask=None, max_len=None, source_ids=None):
        """Return the `EnsembleState` of an empty target."""
        return EnsembleState(
            [
                decoder.start(memory, memory_mask, max_len, source_ids)
                for decoder, memory in zip(self.decoders, memories, strict=True)
            ]
        )

    def step(self, ids, state):
        """Read one token a sequence; return log p (B, V) of the next in the place of logits, and the state."""
        pairs = zip(self.decoders, state.states, strict=True)
        return log_mean([decoder.step(ids, one)[0] for decoder, one in pairs]), state


class EnsembleState:
    """The state of each decoder, moved together; see `minisora.layers.decoder_state.DecoderState`."""

    def __init__(self, states):
        self.states = states

    batch = property(lambda self: self.states[0].batch)
    length = property(lambda self: self.states[0].length)
    max_len = property(lambda self: self.states[0].max_len)
    xp = property(lambda self: self.states[0].xp)

    def widen(self, count):
        """Have ``count`` sequences for each source."""
        for state in self.states:
            state.widen(count)

    def reorder(self, rows):
        """Keep the sequences of these indices, in this order."""
        for state in self.states:
            state.reorder(rows)

    def reorder_past(self, rows):
        """The same where every sequence stays with its source."""
        for state in self.states:
            state.reorder_past(rows)

    def watch(self):
        """Refuse: each model looks elsewhere."""
        raise ValueError("expected one model where attention is to be returned, got an ensemble")


def log_mean(logits):
    """Return log((1/M) sum_m softmax(logits_m)) (B, V) of M arrays of logits (B, V)."""
    xp = array_module(logits[0])
    stacked = xp.stack(logits)  # (M, B, V)
    logs = stacked - stacked.max(axis=-1, keepdims=True)
    logs = logs - xp.log(xp.exp(logs).sum(axis=-1, keepdims=True))
    return reduce(xp.logaddexp, logs) - logs.dtype.type(math.log(len(logits)))
