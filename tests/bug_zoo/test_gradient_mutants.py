"""Mistakes that the built-in gradient checks catch: each is planted in the real layers, and a named check must fail.

The same checks pass without the mistake, so none is caught by accident. ``blind`` names a check that the mistake
passes: what shows it is then the particular thing that the other check does.
"""

import pytest

from minisora.gradcheck import run_checks
from minisora.gradcheck.bug_zoo import CASES, planted


def case_id(case):
    return f"{case.plant.__name__}-{case.caught_by}"


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_caught_and_named(case):
    """The first wrong step is the one where the mistake is, and no reason is given that is not the right one."""
    right = run_checks(case.caught_by)
    assert right.passed, str(right)
    with planted(case):
        (wrong,) = run_checks(case.caught_by).checks
        blind = None if case.blind is None else run_checks(case.blind)
    assert not wrong.passed
    assert wrong.first_wrong_step == case.step, str(wrong)
    assert blind is None or blind.passed
    if case.tensor is not None:
        assert wrong.worst.name == case.tensor, str(wrong)
        assert wrong.largest_relative_error > 1e-6
    assert len(wrong.hints) == (case.hint is not None)
    assert case.hint is None or case.hint in wrong.hints[0]


def test_after_a_mutant_the_real_layers_are_back():
    with pytest.raises(ZeroDivisionError), planted(CASES[0]):
        raise ZeroDivisionError
    assert run_checks({case.caught_by for case in CASES if not case.caught_by.startswith("Decoder")}).passed


def test_nine_in_ten_are_named():
    """Not by the cases' own word alone: a case whose step is None has nothing to be named by."""
    named = sum(case.step is not None for case in CASES)
    assert named >= 0.9 * len(CASES)
