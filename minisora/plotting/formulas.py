"""Named numbers and the formulas that make them of one another, worked out for one number at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from minisora.layers.layer import mover
from minisora.plotting.arithmetic import Expression


class Part(NamedTuple):
    """A number that a formula uses, to be worked out below it."""

    name: str
    index: tuple
    of_largest: bool = False  # of a sum, only the largest term is worked out


class Line(NamedTuple):
    """One number: its formula, the same with numbers, and what to work out below."""

    formula: str
    numbers: Expression  # its text is "" where the formula says all
    parts: Sequence = ()


class Named(NamedTuple):
    """An array with a name: its axes, such as "(B, T, D)", and the rule that makes a `Line` of an index."""

    axes: str
    array: Any
    rule: Callable | None = None  # rule(arithmetic, *index); None: the number was given


class Step(NamedTuple):
    """A number of an explanation, in text."""

    place: str  # such as scores[0, 1, 2, 3]
    formula: str
    numbers: str  # the formula with the numbers put in; "" where the formula says all
    value: str
    level: int  # 0 is what was asked for
    of_largest: bool

    def __str__(self):
        pad = "    " * self.level
        head = f"{pad}{self.place}" + (", of the largest term" if self.of_largest else "")
        if not self.numbers:
            return f"{head} = {self.formula}"
        lines = dict.fromkeys([self.formula, self.numbers, self.value])  # each once
        return "\n".join([head, *(f"{pad}  = {line}" for line in lines)])


@dataclass(frozen=True, repr=False)
class Explanation:
    """How one number came about; printed, or shown in a notebook, it is the text of all steps."""

    name: str
    index: tuple
    value: float  # worked out from the numbers of the first step
    steps: tuple[Step, ...]  # what was asked for, then what it is made of, down to what was given

    def __repr__(self):
        return "\n".join(map(str, self.steps))

    def __float__(self):
        return self.value


def work_out(named, name, index, arithmetic, depth=None):
    """Return the `Explanation` of one number, each number worked out once.

    Parameters
    ----------
    named : dict of str to Named
    name : str
    index : tuple of int
    arithmetic : Arithmetic
    depth : int, optional
        How many levels below the first; all when None.
    """
    steps, values = [], {}

    def visit(part, level):
        if (part.name, part.index) in values:
            return
        line = _line(named[part.name], part.index, arithmetic)
        values[part.name, part.index] = line.numbers.value
        shown = arithmetic.number(line.numbers.value).text
        place = at(part.name, *part.index)
        steps.append(Step(place, line.formula, line.numbers.text, shown, level, part.of_largest))
        for deeper in line.parts if depth is None or level < depth else []:
            if named[deeper.name].rule is not None:  # a given number is in the line above
                visit(deeper, level + 1)

    visit(Part(name, index), 0)
    return Explanation(name, index, values[name, index], tuple(steps))


def _line(number, index, arithmetic):
    if number.rule is None:
        return stated("given", arithmetic.number(number.array[index]))
    return number.rule(arithmetic, *index)


def at(name, *index):
    """Write a number's name with its place: scores[0, 1, 2, s]."""
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def stated(reason, number):
    """Return the `Line` of a number that no calculation gives, only a reason."""
    return Line(f"{number.text}: {reason}", Expression("", number.value))


class Factor(NamedTuple):
    """One of the factors in a sum of products; letters stand in its index where the sum runs."""

    name: str
    array: Any
    index: tuple

    def at(self, place):
        """Return the index of one term, for the numbers of the letters there."""
        return tuple(place.get(i, i) for i in self.index)


def summed(arithmetic, over, places, *factors, scale=None):
    """Return the `Line` of a sum of products, or of scale times it.

    Parameters
    ----------
    arithmetic : Arithmetic
    over : str
        What the sum runs over, as it is written below the sign.
    places : list of dict of str to int
        For each term, what the letters in the factors' indices stand for; at least one.
    *factors : Factor
    scale : float, optional
    """
    rows = [[float(factor.array[factor.at(place)]) for factor in factors] for place in places]
    largest = places[max(range(len(rows)), key=lambda i: abs(prod(rows[i])))]
    total = arithmetic.total(arithmetic.product(*arithmetic.numbers(row)) for row in rows)
    formula = f"Σ_{over} " + " · ".join(at(factor.name, *factor.index) for factor in factors)
    parts = [Part(factor.name, factor.at(largest), len(rows) > 1) for factor in factors]
    if scale is None:
        return Line(formula, total, parts)
    return Line(f"scale · {formula}", arithmetic.product(arithmetic.number(scale), total), parts)


def joined(*tables):
    """Return one table of the named numbers of several; what is given in one may have its formula in another."""
    every = {}
    for table in tables:
        every |= {name: number for name, number in table.items() if name not in every or number.rule}
    return every


def names_for(own, renamed):
    """Return what the arrays of a part are called in a whole, by their own names."""
    return {name: name for name in own.split()} | (renamed or {})


def along(letter, places):
    """Return the places of `summed` for one letter."""
    return [{letter: place} for place in places]


def check_layer(layer, *kinds):
    """Raise ValueError unless a layer is of one of the kinds."""
    if not isinstance(layer, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"layer is expected as the {names} that made the cache, got {type(layer).__name__}")


def check_like(name, array, other):
    """Raise ValueError unless an array is None or of the shape of another."""
    if array is not None and array.shape != other.shape:
        raise ValueError(f"{name} is expected as an array {other.shape}, got {array.shape}")


def on_host(array):
    """Return an array where NumPy can read it; None stays None."""
    return None if array is None else mover("cpu")(array)
