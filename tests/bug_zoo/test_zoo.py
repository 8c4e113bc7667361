"""The zoo's table, its loss curves and its quiz."""

import pytest

from minisora.gradcheck import run_checks
from minisora.gradcheck.bug_zoo import CASES, WIRING, planted
from minisora.gradcheck.bug_zoo.loss_curve import LEARNERS, loss_curve
from minisora.gradcheck.bug_zoo.quiz import MISTAKES, question
from minisora.gradcheck.bug_zoo.table import zoo_rows, zoo_table


def case_of(name):
    return next(case for case in CASES if case.name == name)


def test_the_right_model_learns_and_its_curve_repeats():
    curve = loss_curve()
    assert curve[-1] < 0.7 * curve[0]
    assert curve == loss_curve()
    assert curve != loss_curve(seed=1)


def test_a_mistake_changes_the_curve_and_leaves_nothing_behind():
    right = loss_curve(steps=24)
    with planted(case_of("softmax backward without the sum")):
        assert loss_curve(steps=24) != right
    assert loss_curve(steps=24) == right


def test_a_mistake_of_recurrent_layers_costs_a_recurrent_model_something():
    case = case_of("gradient of the state overwritten by that of the output")
    right = loss_curve(case.learner, steps=24)
    with planted(case):
        assert loss_curve(case.learner, steps=24) != right
    assert right != loss_curve(steps=24)


@pytest.mark.slow
def test_the_table_has_every_mistake_caught_and_no_false_hint():
    rows = zoo_rows()
    right, wrong = rows[: len(LEARNERS)], rows[len(LEARNERS) :]
    assert [row["mistake"] for row in right] == [f"none ({learner})" for learner in LEARNERS]
    assert all(row["gradients"] == row["properties"] == [] for row in right)
    for row in wrong:
        cases = [case for case in CASES if case.name == row["mistake"]]
        if cases:
            assert row["gradients"], row
            assert row["first_wrong_step"] == cases[0].step
            assert (row["hint"] is None) == (cases[0].hint is None)
        else:
            (case,) = (case for case in WIRING if case.name == row["mistake"])
            assert set(row["properties"]) >= set(case.broken)
    assert len(wrong) == len({case.plant for case in [*CASES, *WIRING]})
    assert zoo_table(rows).count("\n") == len(rows) + 1


def test_a_seed_asks_the_same_question_again():
    assert question(1) == question(1)


@pytest.mark.parametrize("seed", [0, 1, 4])
def test_a_question_has_four_choices_and_one_answer(seed):
    asked = question(seed)
    assert len(set(asked.choices)) == 4
    assert asked.choices[asked.right] in {case.name for case in MISTAKES}
    assert asked.choices[asked.right] not in asked.text
    assert "hint" not in asked.text
    assert ("FAILED" in asked.text) != ("BROKEN" in asked.text)
    assert run_checks("LayerNorm").passed  # the mistake is gone
