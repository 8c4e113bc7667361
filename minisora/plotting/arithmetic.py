"""Formulas with their numbers put in: text that adds up to the value beside it."""

import math
from typing import NamedTuple

SUM, PRODUCT, ATOM = range(3)  # what binds more tightly needs no parentheses


class Expression(NamedTuple):
    """A calculation, written out, and what it comes to."""

    text: str
    value: float
    binding: int = ATOM


class Arithmetic:
    """Writes calculations down.

    Parameters
    ----------
    digits : int
        Significant digits of each number.
    terms : int
        Longest sum that is written in full; of a longer one as many of its largest terms, and the sum of the others.
    """

    def __init__(self, digits=4, terms=6):
        for name, value in (("digits", digits), ("terms", terms)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is expected as an integer of at least 1, got {value!r}")
        self.digits, self.terms = digits, terms

    def number(self, value):
        """A number by itself."""
        return Expression(f"{float(value):.{self.digits}g}", float(value))

    def integer(self, value):
        """A number by itself with all its digits."""
        return Expression(str(int(value)), float(value))

    def numbers(self, values):
        """Several of them."""
        return [self.number(value) for value in values]

    def product(self, *factors):
        """a · b · c."""
        first, *others = (self._inside(factor, SUM) for factor in factors)
        text = " · ".join([first, *(f"({other})" if other.startswith("-") else other for other in others)])
        return Expression(text, math.prod(factor.value for factor in factors), PRODUCT)

    def minus(self, a, b):
        """a - b."""
        right = f"({b.text})" if b.binding == SUM or b.text.startswith("-") else b.text
        return Expression(f"{a.text} - {right}", a.value - b.value, SUM)

    def quotient(self, a, b):
        """a / b."""
        return Expression(f"{self._inside(a, SUM)} / {self._inside(b, PRODUCT)}", a.value / b.value, PRODUCT)

    def power(self, a, b):
        """a^b."""
        base = f"({a.text})" if a.binding <= PRODUCT or a.text.startswith("-") else a.text
        return Expression(f"{base}^{self._inside(b, PRODUCT)}", a.value**b.value)

    def larger(self, a, b):
        """max(a, b)."""
        return Expression(f"max({a.text}, {b.text})", max(a.value, b.value))

    def call(self, name, a):
        """exp(a), log(a), tanh(a) and the like: a function of `math`; log(0) is -inf."""
        value = -math.inf if (name, a.value) == ("log", 0) else getattr(math, name)(a.value)
        return Expression(f"{name}({a.text})", value)

    def total(self, terms):
        """a + b + c + (4 more: d): in their order, the largest ones written out."""
        terms = list(terms)
        value = exact_sum(term.value for term in terms)
        if len(terms) == 1:
            return terms[0]
        order = sorted(range(len(terms)), key=lambda i: -abs(terms[i].value))
        shown = sorted(order[: self.terms] if len(terms) > self.terms + 1 else order)  # never "1 more"
        text = "".join(self._signed(terms[i], first=i == shown[0]) for i in shown) or "0"
        if others := len(terms) - len(shown):
            rest = exact_sum(terms[i].value for i in range(len(terms)) if i not in set(shown))
            text += f" + ({others} more: {self.number(rest).text})"
        return Expression(text, value, SUM)

    def mean(self, terms):
        """The sum of terms by their number."""
        terms = list(terms)
        return self.quotient(self.total(terms), self.number(len(terms)))

    def _signed(self, term, first):
        if first:
            return term.text
        text = self._inside(term, SUM)
        return f" - {text[1:]}" if text.startswith("-") else f" + {text}"

    def _inside(self, expression, loosest):
        """The text of a part, in parentheses when it binds as loosely as this or more so."""
        return f"({expression.text})" if expression.binding <= loosest else expression.text


def exact_sum(values):
    """Return a sum without rounding between its terms; inf and NaN are as in any sum."""
    values = list(values)
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)
