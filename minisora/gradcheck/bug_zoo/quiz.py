"""A mistake is hidden in the layers: from its loss curve and its report, which one is it?"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from minisora.gradcheck.bug_zoo.cases import CASES, WIRING
from minisora.gradcheck.bug_zoo.loss_curve import EVERY, loss_curve
from minisora.gradcheck.bug_zoo.planting import planted
from minisora.gradcheck.built_in import run_checks
from minisora.gradcheck.properties import check_properties

MISTAKES = [*CASES, *WIRING]


class Question(NamedTuple):
    """What is shown, the mistakes to choose from, and the number of the right one."""

    text: str
    choices: tuple[str, ...]
    right: int


def question(seed):
    """Return the `Question` of a seed: the curves with and without a mistake, the report, and four mistakes."""
    rng = np.random.default_rng(seed)
    case = MISTAKES[rng.integers(len(MISTAKES))]
    others = sorted({other.name for other in MISTAKES} - {case.name})
    choices = [case.name, *rng.choice(others, 3, replace=False)]
    order = rng.permutation(len(choices))
    right_curve = loss_curve(case.learner, seed)
    with planted(case):
        found = _report(case)
        curve = loss_curve(case.learner, seed)
    shown = "\n".join([_curves(right_curve, curve), "", found])
    return Question(shown, tuple(str(choices[i]) for i in order), int(np.flatnonzero(order == 0)[0]))


def _report(case):
    """The failed gradient check without its hints, or what became of the properties."""
    if case in CASES:
        (result,) = run_checks(case.caught_by).checks
        return str(replace(result, hints=()))
    return "\n".join(map(str, check_properties()))


def _curves(right, wrong):
    """The two curves as lines of numbers."""
    steps = [str(EVERY * (i + 1)) for i in range(len(right))]
    rows = [("step", steps), ("right", [f"{x:.2f}" for x in right]), ("hidden mistake", [f"{x:.2f}" for x in wrong])]
    return "\n".join(f"{name:15}" + "".join(f"{cell:>7}" for cell in cells) for name, cells in rows)
