"""How much a page holds: with how many bits, which weights of a long row, and of which tokens the gradients."""

from typing import NamedTuple

import numpy as np

FINE = 1_000_000  # numbers: up to here 16 bits for each, 8 beyond
THINNED_ABOVE = 4_000_000  # weights: beyond, each row keeps its largest alone
KEPT = 32  # of a row that is thinned
GRADIENTS = 4_000_000  # numbers of all gradients together


class Budget(NamedTuple):
    """What a page holds of one answer."""

    bits: int  # 8 or 16
    kept: int | None  # weights of each row; None: all
    tokens: list  # places in the answer whose own gradients are there


class Sizes(NamedTuple):
    """What decides how many numbers there are."""

    encoder_layers: int  # that attend
    decoder_layers: int
    heads: int
    source: int  # S
    target: int  # T

    def weights(self):
        """How many weights there are."""
        encoder = self.encoder_layers * self.source**2
        return self.heads * (encoder + self.decoder_layers * self.target * (self.target + self.source))

    def gradients(self, token, kept=None):
        """How many gradients of a token's loss are not 0 for certain: later steps have no part in it."""
        steps = np.arange(1, token + 2)
        seen = np.minimum(steps, kept or self.target).sum()  # by the decoder, step after step
        width = min(self.source, kept or self.source)
        decoder = self.decoder_layers * (seen + len(steps) * width)
        return int(self.heads * (self.encoder_layers * self.source * width + decoder))


def make_budget(sizes, losses, *, tokens=None, gradients=GRADIENTS):
    """Decide what a page holds.

    Parameters
    ----------
    sizes : Sizes
    losses : array (T,)
        -log p of each token: where not all gradients have a place, those of the least certain tokens come first.
    tokens : list of int, optional
        Places whose gradients are wanted, however many numbers they are.
    gradients : int
        Most numbers of all gradients together; 0: none. Those of the whole answer are always there otherwise.
    """
    weights = sizes.weights()
    kept = KEPT if weights > THINNED_ABOVE else None
    used = sizes.gradients(sizes.target - 1, kept) if gradients else 0
    chosen = []
    for token in np.argsort(-np.asarray(losses), kind="stable").tolist() if tokens is None else tokens:
        needed = sizes.gradients(token, kept)
        if tokens is not None or used + needed <= gradients:
            chosen.append(token)
            used += needed
    return Budget(16 if weights + used <= FINE else 8, kept, sorted(set(chosen)))


def largest_of_rows(weights, kept):
    """The places (..., kept) of the largest weights (..., S) of each row, in their order; None where all stay."""
    if kept is None or weights.shape[-1] <= kept:
        return None
    return np.sort(np.argpartition(weights, -kept, axis=-1)[..., -kept:], axis=-1)
