"""Texts as batches: checked, encoded, those of similar length together, each with its own key."""

from typing import NamedTuple

import numpy as np

from minisora.kernels import DropoutKey


class Batch(NamedTuple):
    """Some of the texts, of similar length."""

    places: list  # where they stand among all texts
    ids: np.ndarray  # (B, S)
    mask: np.ndarray  # (B, S)
    keys: list[DropoutKey]  # of the seed and the text: what is drawn does not depend on the neighbours


def batches_of(model, tokenizer, texts, config):
    """Return the texts as a list of `Batch`; ValueError for one that the model cannot read."""
    encoded = encode(model, tokenizer, texts)
    key = DropoutKey(config.seed).child("generation")
    order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
    size = max(1, config.batch_size // config.beams)
    batches = []
    for first in range(0, len(order), size):
        places = order[first : first + size]
        ids, mask = tokenizer.pad([encoded[i] for i in places])
        batches.append(Batch(places, ids, mask, [key.child(texts[i]) for i in places]))
    return batches


def encode(model, tokenizer, texts):
    """Return the ids of each text; ValueError for one that is empty or too long."""
    if isinstance(texts, str):
        raise ValueError("a list of texts is expected, got a single one: put it into brackets")
    encoded = [tokenizer.encode(text) for text in texts]
    for text, ids in zip(texts, encoded, strict=True):
        if not 0 < len(ids) <= model.config.max_len:
            raise ValueError(
                f"a text of 1 to {model.config.max_len} tokens is expected, got {len(ids)}"
                + (f": {text[:20]!r} ..." if text else "")
            )
    return encoded
