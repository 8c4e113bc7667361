"""Where training pairs come from: an endless sequence of (source, target), addressed by position.

A position is all that a resumed training needs: the pair at it is a pure function of the seed.
"""

import hashlib

import numpy as np


class PairStream:
    """Fresh pairs from the corpus generator, each seen once.

    Parameters
    ----------
    seed : int
        Of the corpus stream.
    split : str
        Which split of the corpus.
    made_up_names : int
        In how many of 100 examples names are made up, see `minisora.corpus.renaming`.
    emphasis : dict of str to int, optional
        How many times as often as otherwise a scenario is drawn: ``{"arithmetic": 4}`` for one that takes long to
        learn.
    """

    def __init__(self, seed=0, split="train", *, made_up_names=0, emphasis=None):
        self.seed = seed
        self.split = split
        self.made_up_names = made_up_names
        self.emphasis = tuple(sorted((emphasis or {}).items()))

    def draw(self, start, count):
        """The pairs at positions ``start`` to ``start + count - 1``: a list of (source, target)."""
        return [as_pair(self._example(index)) for index in range(start, start + count)]

    def _example(self, index):
        from minisora.corpus import example, renamed
        from minisora.corpus.dice import Dice

        one = example(self.seed, index, self.split, self.emphasis)
        if not self.made_up_names:
            return one
        dice = Dice("made-up names", self.seed, self.split, index)
        return renamed(one, dice) if dice.chance(self.made_up_names) else one

    def alphabet(self):
        """A text with every character that may be drawn."""
        from minisora.corpus import alphabet

        return alphabet()

    def describe(self):
        """What a checkpoint keeps, to tell these data from others."""
        options = {"made_up_names": self.made_up_names, "emphasis": dict(self.emphasis)}
        used = {name: value for name, value in options.items() if value}
        return {"kind": "corpus stream", "seed": self.seed, "split": self.split, **used}


class PairList:
    """A fixed list, epoch after epoch, each epoch in an order of its own.

    Parameters
    ----------
    pairs : list of (str, str) or of corpus examples
        Source and target.
    seed : int
        Of the orders.
    """

    def __init__(self, pairs, seed=0):
        self.pairs = [as_pair(one) for one in pairs]
        if not self.pairs:
            raise ValueError("expected at least one pair to train on, got an empty list")
        self.seed = seed
        self._epoch = None

    def draw(self, start, count):
        """The pairs at positions ``start`` to ``start + count - 1``: position // len(pairs) is the epoch."""
        return [
            self.pairs[self._order(position // len(self.pairs))[position % len(self.pairs)]]
            for position in range(start, start + count)
        ]

    def describe(self):
        """What a checkpoint keeps, to tell these data from others."""
        return {"kind": "list", "seed": self.seed, **describe_pairs(self.pairs)}

    def _order(self, epoch):
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, np.random.default_rng([self.seed, epoch]).permutation(len(self.pairs)))
        return self._epoch[1]


def describe_pairs(pairs):
    """Number and digest of a list of pairs, to tell it from others."""
    digest = hashlib.blake2b(digest_size=16)
    for pair in pairs:
        for text in pair:
            data = text.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little") + data)
    return {"pairs": len(pairs), "digest": digest.hexdigest()}


def as_data(data, seed):
    """``data`` itself when it can be drawn from, else the list of pairs as a PairList."""
    return data if hasattr(data, "draw") else PairList(data, seed)


def as_pair(one):
    """(source, target) of a pair, or of anything with these two attributes."""
    return (one.source, one.target) if hasattr(one, "source") else tuple(one)
