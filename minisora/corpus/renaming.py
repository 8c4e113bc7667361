"""Made-up names for training: a model that has seen forty cities says one of these, whatever name stands before it.

In some examples every name, wherever it stands, becomes another one of as many characters that means nothing: 丽州 for
北京, 文海刚 for a person. What is asked and what is answered stay the same, and whoever wants to answer must look the
name up. No name of the corpus is ever made up, hence none that is held out. Replacing names is a way of augmenting data
that is known from machine translation, for rare words [1]_.

References
----------
.. [1] Fadaee, Bisazza, Monz, "Data Augmentation for Low-Resource Neural Machine Translation", 2017.
"""

import re
from dataclasses import replace

from minisora.corpus.customer_service import STORES
from minisora.corpus.values import CITIES, GIVEN, GOODS, HOBBIES, JOBS, MODIFIERS, SURNAMES, UNSEEN_CITIES

PERSONS = tuple(surname + given for surname in SURNAMES for given in GIVEN)
PRODUCTS = tuple(modifier + noun for modifier in MODIFIERS for noun in GOODS)
KINDS = {  # the names of each kind; made-up ones have their characters
    "city": (*CITIES, *UNSEEN_CITIES), "person": PERSONS, "job": JOBS, "hobby": HOBBIES, "product": PRODUCTS,
    "store": STORES,
}  # fmt: skip
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}
CHARACTERS = {kind: "".join(sorted(set("".join(names)))) for kind, names in KINDS.items()}


def renamed(example, dice):
    """Return an example with made-up names in the place of its own; it is the same one where it has none.

    Parameters
    ----------
    example : Example
    dice : Dice
        What the names depend on.
    """
    own = {name for name in example.slot_texts() if name in KIND_OF}
    if not own:
        return example
    new = {}
    for name in sorted(own, key=lambda name: (-len(name), name)):
        new[name] = _made_up(dice, name, taken=f"{example.source}{example.target}{'|'.join(new.values())}")
    names = re.compile("|".join(new))  # the longest first: 李文静 is not 李文 and 静

    def change(value):
        if isinstance(value, tuple):
            return tuple(map(change, value))
        return names.sub(lambda match: new[match.group()], value)

    changed = {field: change(getattr(example, field)) for field in ("source", "target", "keywords", "references")}
    return replace(example, slots=change(example.slots), **changed)


def _made_up(dice, name, taken):
    """Draw a name of the same kind and length that is no real one, and stands nowhere in ``taken``."""
    characters = CHARACTERS[KIND_OF[name]]
    while True:
        made_up = "".join(dice.choice(characters) for _ in name)
        if made_up not in KIND_OF and made_up not in taken:
            return made_up
