"""How good a model is on pairs of texts: loss and exact match."""

from typing import NamedTuple

import numpy as np

from minisora.generation import answer
from minisora.kernels import array_module
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.training.batching import batches_by_length
from minisora.training.data import as_pair


class Score(NamedTuple):
    """Of one list of pairs."""

    loss: float  # nats per target token, eos counted
    exact_match: float  # share of greedy answers that equal the target
    n: int


def score_pairs(model, source_tokenizer, target_tokenizer, pairs, *, batch_tokens=8192):
    """Score a model on (source, target) pairs."""
    pairs = [as_pair(one) for one in pairs]
    answers = answer_pairs(model, source_tokenizer, target_tokenizer, pairs)
    right = sum(given == target for given, (_, target) in zip(answers, pairs, strict=True))
    loss = mean_loss(model, source_tokenizer, target_tokenizer, pairs, batch_tokens=batch_tokens)
    return Score(loss, right / len(pairs), len(pairs))


def answer_pairs(model, source_tokenizer, target_tokenizer, pairs, beams=1):
    """The model's answers, in order; cut one token behind the longest target, since a longer one is wrong anyway."""
    longest = max(len(target_tokenizer.encode(target)) for _, target in pairs)
    limit = min(longest + 1, model.config.max_len)
    sources = [source for source, _ in pairs]
    return answer(model, source_tokenizer, target_tokenizer, sources, max_len=limit, beams=beams)


def mean_loss(model, source_tokenizer, target_tokenizer, pairs, *, batch_tokens=8192):
    """Cross-entropy per target token in nats, without dropout and label smoothing."""
    loss = SoftmaxCrossEntropy(model.config.pad_id)
    xp = array_module(next(model.parameters())[1].data)
    total, count = 0.0, 0  # on a GPU the total stays there until the end
    for batch in batches_by_length(pairs, source_tokenizer, target_tokenizer, batch_tokens, model.config.max_len):
        source, decoder_ids, targets = (xp.asarray(ids) for ids in batch)
        (nats, _), _ = loss.forward(model.forward(source, decoder_ids)[0], targets)
        total = total + nats.astype(np.float64)
        count += int((batch.targets != model.config.pad_id).sum())
    return float(total / count)
