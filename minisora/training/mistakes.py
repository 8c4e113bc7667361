"""What kind of mistake a wrong answer is."""

import re

from minisora.training.metrics import mentioned_slots

KINDS = ("declined", "answered", "another value", "value left out", "another number", "other words")
MEANING = {
    "declined": "it declines where the answer is known",
    "answered": "it answers where it ought to decline",
    "another value": "it mentions a value of the question or the context that does not belong into the answer",
    "value left out": "it mentions no wrong value, and not all that are due",
    "another number": "a number is another one",
    "other words": "anything else",
}


def kind_of_mistake(example, answer):
    """Return which of `KINDS` a wrong answer to an Example is, the first that fits; None for a right one."""
    from minisora.corpus.intents import DECLINE

    if answer == example.target or answer in example.references:
        return None
    if DECLINE in (answer, example.target):
        return "declined" if answer == DECLINE else "answered"
    due, found = mentioned_slots(example, example.target), mentioned_slots(example, answer)
    if found - due:
        return "another value"
    if due - found:
        return "value left out"
    numbers = [re.findall(r"\d+", text) for text in (example.target, answer)]
    return "another number" if numbers[0] != numbers[1] else "other words"


def count_mistakes(judged):
    """Return ``{kind: how many}`` of (Example, answer) pairs, all kinds, in the order of `KINDS`."""
    kinds = [kind_of_mistake(example, answer) for example, answer in judged]
    return {kind: kinds.count(kind) for kind in KINDS}
