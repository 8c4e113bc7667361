"""The table of the zoo: what catches a mistake, whether it is named, what it costs in training, and who shipped it."""

from contextlib import nullcontext

import numpy as np

from minisora.gradcheck.bug_zoo.cases import CASES, WIRING
from minisora.gradcheck.bug_zoo.loss_curve import loss_curve
from minisora.gradcheck.bug_zoo.planting import planted
from minisora.gradcheck.built_in import named_checks, run_checks
from minisora.gradcheck.properties import check_properties


def zoo_rows(*, progress_bar=False):
    """Return one dict for each mistake: mistake, gradients, properties, first_wrong_step, hint, loss, seen.

    ``gradients`` are the layers with a check that fails along one direction, ``properties`` those that are broken;
    ``loss`` is the mean at the end of `loss_curve`. The first rows are the unchanged code, with each learner.
    ``progress_bar`` shows one in a terminal.
    """
    from tqdm import tqdm

    first = {case.plant: case for case in reversed(CASES)}  # one case for each mistake, the first of the list
    cases = [*reversed(first.values()), *WIRING]
    unchanged = [(None, learner) for learner in dict.fromkeys(case.learner for case in cases)]
    work = [*unchanged, *((case, case.learner) for case in cases)]
    rows = []
    for case, learner in tqdm(work, unit="mistake", disable=None if progress_bar else True):
        with planted(case) if case else nullcontext():
            measured = _measured(learner, getattr(case, "caught_by", None))
        name, seen = (case.name, case.seen) if case else (f"none ({learner})", None)
        rows.append({"mistake": name, **measured, "seen": seen})
    return rows


def zoo_table(rows):
    """Return the rows as a Markdown table."""
    lines = [
        "| mistake | gradient checks that fail | properties broken | first wrong step | hint | loss | seen in |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        step = f"`{row['first_wrong_step']}`" if row["first_wrong_step"] else "-"
        caught = (", ".join(row["gradients"]) or "-", ", ".join(row["properties"]) or "-")
        cells = (row["mistake"], *caught, step, row["hint"] or "-", f"{row['loss']:.2f}", row["seen"] or "-")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _measured(learner, check=None):
    """What checks and properties say of the layers as they are now, and how a learner trains."""
    result = run_checks(check).checks[0] if check else None
    return {
        "gradients": _failed_checks(),
        "properties": [kept.name for kept in check_properties() if not kept.passed],
        "first_wrong_step": result and result.first_wrong_step,
        "hint": result.hints[0] if result and result.hints else None,
        "loss": loss_curve(learner)[-1],
    }


def _failed_checks():
    """The layers of which a check fails, by one direction over everything, or cannot run."""
    with np.errstate(all="ignore"):
        return list(dict.fromkeys(check.layer for check in named_checks() if not _passes(check)))


def _passes(check):
    try:
        return check.run(mode="directional", explain=False).passed
    except ValueError:  # shapes that do not fit, an output that is not finite
        return False
