"""The parts that scenarios are made of: templates, drafts and intents."""

from string import Formatter
from typing import NamedTuple

from minisora.corpus.splits import fraction

HELD_OUT_TEMPLATES = 2
DECLINE = "抱歉，我没有这方面的信息。"


class Template(NamedTuple):
    """One way of asking."""

    id: str
    text: str  # with {fields}, without the spaces between words
    words: frozenset
    fields: frozenset
    held_out: bool = False

    @classmethod
    def of(cls, id, spaced):
        """Read a template written with spaces between its words: what they are is then known without a segmenter."""
        literals, fields = zip(*[(text, field) for text, field, _, _ in Formatter().parse(spaced)], strict=True)
        words = {word.strip("，。？！：、（）“”") for text in literals for word in text.split()}
        return cls(id, spaced.replace(" ", ""), frozenset(words - {""}), frozenset(set(fields) - {None}))


class Draft(NamedTuple):
    """What an intent drew for one example, before a template and a polite frame give it its wording.

    Pairs are (class, value, class, value) of closed classes, values are (class, part, ...) of open ones. Those that
    matter to the answer stand apart from those beside them in the same source: training sees no held-out one of either
    kind.
    """

    fields: dict
    answer: str
    slots: tuple
    context: dict = {}  # noqa: RUF012 (never written to)
    before: tuple = ()  # turns before the template's
    after: tuple = ()  # turns after it
    pairs: tuple = ()
    pairs_beside: tuple = ()
    values: tuple = ()
    values_beside: tuple = ()
    answerable: bool = True
    long: bool = False  # more turns than training has
    train_only: bool = False  # other slots may give the same source: only training can have it
    framed: bool = True  # may have polite words around it
    keywords: tuple = ()  # what a generated text must mention
    references: tuple = ()  # all right answers, where there are several


class Intent:
    """One kind of question: the ways of asking it, and what draws its facts and its answer.

    Parameters
    ----------
    name : str
        ``scenario.intent``.
    templates : sequence of str
        Ways of asking, with spaces between the words and ``{fields}`` for the slots.
    draw : callable
        ``draw(dice, template) -> Draft``.
    weight : int
        How often, beside the other intents of its scenario.
    """

    def __init__(self, name, templates, draw, weight=1):
        self.name = name
        self.scenario = name.split(".")[0]
        self.draw = draw
        self.weight = weight
        self.training, self.held_out = _hold_out([Template.of(f"{name}#{i}", text) for i, text in enumerate(templates)])

    def __repr__(self):
        return f"Intent({self.name!r}, {len(self.training)}+{len(self.held_out)} templates)"


def _hold_out(templates):
    """Part training templates from the held-out: the first by hash of their ids whose words the rest all use."""
    held_out = []
    for template in sorted(templates, key=lambda template: fraction("template", template.id)):
        rest = [other for other in templates if other not in held_out and other is not template]
        left = set().union(*(other.words for other in rest))
        if all(unseen.words <= left for unseen in [*held_out, template]) and len(held_out) < HELD_OUT_TEMPLATES:
            held_out.append(template)
    training = tuple(template for template in templates if template not in held_out)
    return training, tuple(template._replace(held_out=True) for template in held_out)
