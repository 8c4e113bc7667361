"""The corpus as an unlimited stream: example number ``index`` of a seed is a pure function of both."""

from dataclasses import dataclass
from functools import cache
from itertools import count
from operator import index as as_integer  # a NumPy integer gives the stream of the same Python integer

from minisora.corpus import (
    customer_service,
    dialogue,
    education,
    faq,
    frames,
    generation_texts,
    question_answering,
    weather,
)
from minisora.corpus.dice import Dice
from minisora.corpus.intents import Intent
from minisora.corpus.source import build_source
from minisora.corpus.splits import SPLITS, split_of

SCENARIOS = (  # how many in 100, and the intents
    (25, weather.INTENTS),
    (20, customer_service.INTENTS),
    (15, question_answering.INTENTS),
    (15, dialogue.INTENTS),
    (8, education.INTENTS),
    (6, education.ARITHMETIC_INTENTS),
    (8, generation_texts.INTENTS),
)
FAQ_PERCENT = 3
FAQ = Intent("faq.pairs", (), faq.draw)
INTENTS = tuple(intent for _, intents in SCENARIOS for intent in intents)


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its right answer, and where it comes from.

    ``template`` is the id of the way of asking, ``slots`` is what was asked without its wording, ``answerable`` is
    False where the right answer is that the context does not tell. For a generated text ``keywords`` are what it must
    mention and ``references`` are all right answers, ``target`` one of them.
    """

    source: str
    target: str
    scenario: str
    intent: str
    split: str
    template: str
    slots: tuple
    answerable: bool = True
    keywords: tuple = ()
    references: tuple = ()

    def slot_texts(self):
        """Yield the texts in ``slots``, those of pairs one by one."""
        return _texts(self.slots)


def _texts(values):
    for value in values:
        if isinstance(value, tuple):
            yield from _texts(value)
        else:
            yield value


def example(seed, index, split="train", emphasis=()):
    """Return one example of the stream.

    Parameters
    ----------
    seed : int or str
        Another seed gives another stream, with the same splits.
    index : int
        From 0, without an end.
    split : str
        One of ``train``, ``dev``, ``iid``, ``comb``, ``tmpl``, ``val``, ``len``.
    emphasis : tuple of (str, int)
        Scenarios, each with how many times as often as otherwise it is drawn.

    Returns
    -------
    Example

    Raises
    ------
    ValueError
        For an unknown split, a negative index, an unknown scenario or a number below 1 in ``emphasis``.
    """
    if split not in SPLITS:
        raise ValueError(f"expected a split out of {', '.join(SPLITS)}, got {split!r}")
    if index < 0:
        raise ValueError(f"expected an index of 0 or more, got {index}")
    dice = Dice(seed if isinstance(seed, str) else as_integer(seed), split, as_integer(index))
    if split == "train" and dice.chance(FAQ_PERCENT):
        return _finish(dice, FAQ, None, FAQ.draw(dice, None), split)
    intent = _choose_intent(dice, split, emphasis)
    while True:  # draw slots until they belong to the split; the intent stays, so that the mix does
        template = dice.choice(intent.held_out if split == "tmpl" else intent.training)
        draft = intent.draw(dice, template)
        if split_of(intent.name, template, draft) == split:
            return _finish(dice, intent, template, draft, split)


def stream(seed, split="train", start=0):
    """Yield the examples of a seed from index ``start`` on, without an end."""
    for index in count(start):
        yield example(seed, index, split)


def _choose_intent(dice, split, emphasis):
    """Draw a scenario and one of its intents, out of those that reach the split."""
    intents = _weighted(dice, _emphasized(split, emphasis))
    return _weighted(dice, [(intent.weight, intent) for intent in intents])


def _weighted(dice, choices):
    """Draw from pairs (weight, value)."""
    place = dice.below(sum(weight for weight, _ in choices))
    for weight, value in choices:
        if place < weight:
            return value
        place -= weight
    raise AssertionError("the weights add up to more than any place")


@cache
def _emphasized(split, emphasis):
    """Return the scenarios of a split, the weights of some multiplied."""
    factors = dict(emphasis)
    known = [intents[0].scenario for _, intents in SCENARIOS]
    for scenario, factor in factors.items():
        if scenario not in known:
            raise ValueError(f"expected a scenario out of {', '.join(known)}, got {scenario!r}")
        if factor < 1:
            raise ValueError(f"expected {scenario} to be drawn at least 1 times as often, got {factor}")
    return [(weight * factors.get(intents[0].scenario, 1), intents) for weight, intents in _scenarios_of(split)]


@cache
def _scenarios_of(split):
    """Return the scenarios with those of their intents that can be in the split: not all have pairs, or many turns."""
    scenarios = [(weight, [intent for intent in intents if _reaches(intent, split)]) for weight, intents in SCENARIOS]
    return [(weight, intents) for weight, intents in scenarios if intents]


def _reaches(intent, split):
    """Tell whether any of the first few hundred drafts of an intent is in the split."""
    if split not in ("comb", "val", "len"):
        return True
    template = intent.training[0]
    drafts = (intent.draw(Dice("reach", intent.name, i), template) for i in range(400))
    return any(split_of(intent.name, template, draft) == split for draft in drafts)


def _finish(dice, intent, template, draft, split):
    """Give a draft its wording."""
    turns = [*draft.before, template.text.format(**draft.fields), *draft.after] if template else draft.before
    return Example(
        source=build_source(draft.context, *(frames.frame(dice, turns) if draft.framed else turns)),
        target=draft.answer,
        scenario=intent.scenario,
        intent=intent.name,
        split=split,
        template=template.id if template else "",
        slots=draft.slots,
        answerable=draft.answerable,
        keywords=draft.keywords,
        references=draft.references,
    )
