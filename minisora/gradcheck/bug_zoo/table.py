"""The table of the zoo: which checks catch a mistake, whether it is named, and what it costs in training."""

from minisora.gradcheck.bug_zoo.cases import CASES
from minisora.gradcheck.bug_zoo.loss_curve import loss_curve
from minisora.gradcheck.bug_zoo.planting import planted
from minisora.gradcheck.built_in import named_checks, run_checks


def zoo_rows():
    """Return one dict for each mistake: mistake, caught_by, first_wrong_step, hint, loss.

    ``caught_by`` are the layers with a check that fails along one direction; ``loss`` is the mean at the end of
    `loss_curve`. The first row is the unchanged code.
    """
    first = {case.plant: case for case in reversed(CASES)}  # one case for each mistake, the first of the list
    rows = [{"mistake": "none", "caught_by": _caught(), "first_wrong_step": None, "hint": None, "loss": _loss()}]
    for case in reversed(first.values()):
        with planted(case):
            (result,) = run_checks(case.caught_by).checks
            rows.append(
                {
                    "mistake": case.name,
                    "caught_by": _caught(),
                    "first_wrong_step": result.first_wrong_step,
                    "hint": result.hints[0] if result.hints else None,
                    "loss": _loss(),
                }
            )
    return rows


def zoo_table(rows):
    """Return the rows as a Markdown table."""
    lines = [
        "| mistake | caught by the checks of | first wrong step | hint | loss |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        step = f"`{row['first_wrong_step']}`" if row["first_wrong_step"] else "-"
        cells = (row["mistake"], ", ".join(row["caught_by"]) or "-", step, row["hint"] or "-", f"{row['loss']:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _caught():
    """The layers of which a check fails, by one direction over everything."""
    failed = [check.layer for check in named_checks() if not check.run(mode="directional", explain=False).passed]
    return list(dict.fromkeys(failed))


def _loss():
    return loss_curve()[-1]
