"""What a mistake costs: the loss of a small model that learns, with the mistake and without."""

from functools import partial

import numpy as np

from minisora.config import SoraConfig
from minisora.gradcheck.bug_zoo.word_vector_learners import cbow, glove_least_squares
from minisora.kernels import DropoutKey
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.model import SoraModel

STEPS, EVERY = 240, 24
_V, _LENGTH, _BATCH, _LR = 13, 5, 16, 0.5


def _sora(rng, key, **changes):
    """Return ``step(n) -> loss`` of a small model, with these fields of its `SoraConfig`, that learns to copy."""
    config = SoraConfig(
        source_vocab_size=_V, target_vocab_size=_V, d_model=16, num_heads=2, d_ff=32, num_encoder_layers=1,
        num_decoder_layers=2, dropout=0.05, max_len=8, activation="gelu", tie="output",
        **changes,
    )  # fmt: skip
    model, loss = SoraModel(config, rng, dtype=np.float64), SoftmaxCrossEntropy()
    return lambda n: _step(model, loss, rng, key.child(n))


def _step(model, loss, rng, key):
    """One step of gradient descent; return the loss per token."""
    targets = rng.integers(3, _V, (_BATCH, _LENGTH))
    targets[: _BATCH // 2, -1] = 0
    decoder_ids = np.concatenate([np.ones((_BATCH, 1), int), targets[:, :-1]], axis=1)
    logits, cache = model.forward(targets, decoder_ids, key=key)
    (_, count), loss_cache = loss.forward(logits, targets)
    model.zero_grad()
    model.backward(loss.backward(1 / count, loss_cache), cache)
    norm = np.sqrt(sum((p.grad**2).sum() for _, p in model.parameters()))
    for _, parameter in model.parameters():
        parameter.data -= _LR / max(1.0, norm) * parameter.grad
    return _nats_per_token(logits, targets)


def _nats_per_token(logits, targets):
    """The loss by its formula: a mistake in the layer that computes it must not change what is shown."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(log_probabilities, targets[..., None], axis=-1)[targets != 0].mean()


LEARNERS = {
    "Transformer": _sora,
    "LSTM": partial(_sora, encoder="rnn", cell="lstm"),
    "GRU": partial(_sora, encoder="rnn", cell="gru"),
    "copying": partial(_sora, copy=True),
    "CBOW": cbow,
    "GloVe": glove_least_squares,
}


def loss_curve(learner="Transformer", seed=0, steps=STEPS, every=EVERY):
    """Train one of `LEARNERS` by gradient descent; return the mean loss of each ``every`` steps.

    The losses of sora, with either encoder, are nats per token, at the start about log(13) = 2.56; those of word
    vectors are the papers', per example and per cell. Not finite where the training broke down.
    """
    step = LEARNERS[learner](np.random.default_rng(seed), DropoutKey(seed))
    with np.errstate(all="ignore"):
        losses = [step(n) for n in range(steps)]
    return [float(np.mean(losses[i : i + every])) for i in range(0, steps, every)]
