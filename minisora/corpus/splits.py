"""Which split an example belongs to: a hash of its slots, never of its text, and the same for every seed.

======  ================================================================================================
train   what a model may learn from
dev     as train, other slots: to choose a checkpoint
iid     as train, other slots
comb    two values, each often seen in training, that are never together there, and both matter to the answer
tmpl    a way of asking that training never uses, in words that it uses
val     a value that training never uses (a name, a product, a number), in characters that it uses
len     a dialogue of more turns than any in training
======  ================================================================================================
"""

from functools import lru_cache
from hashlib import blake2b

from minisora.corpus.values import UNSEEN_CITIES

SPLITS = ("train", "dev", "iid", "comb", "tmpl", "val", "len")
HELD_OUT_PAIRS = 0.10
HELD_OUT_VALUES = 0.10
DEV_SLOTS = IID_SLOTS = 0.05


def fraction(*parts):
    """Map a tuple of strings to a number in [0, 1), evenly and for ever the same."""
    digest = blake2b(repr(parts).encode(), digest_size=7, person=b"minisora").digest()
    return int.from_bytes(digest, "little") / (1 << 56)


@lru_cache(maxsize=1 << 16)
def is_held_out_pair(pair):
    """Tell whether training must never see both values of ``pair``, a tuple (class, value, class, value)."""
    return fraction("pair", *pair) < HELD_OUT_PAIRS


@lru_cache(maxsize=1 << 16)
def is_held_out_value(value):
    """Tell whether training must never see ``value``, a tuple of its class and its parts.

    Cities are few: the unseen ones are a list of their own, whose characters the others share.
    """
    if value[0] == "city":
        return value[1] in UNSEEN_CITIES
    return fraction("value", *value) < HELD_OUT_VALUES


def slot_split(intent, slots):
    """Return the split of slots that hold nothing unseen: train, dev or iid."""
    place = fraction("slots", intent, *slots)
    if place < DEV_SLOTS:
        return "dev"
    return "iid" if place < DEV_SLOTS + IID_SLOTS else "train"


def split_of(intent, template, draft):
    """Return the split of an example, or None where it is unseen in two ways, or in one that does not matter."""
    unseen = []
    if template.held_out:
        unseen.append("tmpl")
    if draft.long:
        unseen.append("len")
    for name, is_held_out, asked, beside in (
        ("comb", is_held_out_pair, draft.pairs, draft.pairs_beside),
        ("val", is_held_out_value, draft.values, draft.values_beside),
    ):
        if any(map(is_held_out, asked)):
            unseen.append(name)
        elif any(map(is_held_out, beside)):
            return None
    if not unseen:
        split = slot_split(intent, draft.slots)
        return None if draft.train_only and split != "train" else split
    return unseen[0] if len(unseen) == 1 else None
