"""The results of evaluations as tables of text."""

from minisora.training.mistakes import KINDS, MEANING


def comparison_table(results):
    """A row for each model: its parameters, exact match in percent in each set, and then the losses.

    Parameters
    ----------
    results : dict of str to dict
        By model, as `minisora.training.evaluation.evaluate` gives it, with ``parameters``, their number; all on the
        same sets.
    """
    names = list(next(iter(results.values()))["splits"])
    rows = []
    for label, show in (
        ("exact match", lambda split: _percent(split, "exact_match")),
        ("loss, nats per token", lambda split: f"{split['loss']:.3f}"),
    ):
        rows.append((label, ["parameters", *names]))
        for model, result in results.items():
            rows.append(
                (f"  {model}", [f"{result['parameters']:,}", *(show(result["splits"][name]) for name in names)])
            )
    return _lay_out(rows)


def evaluation_table(result):
    """Rows of what was measured, one column a set; percent, but for the loss.

    Parameters
    ----------
    result : dict
        As `minisora.training.evaluation.evaluate` gives it.

    Returns
    -------
    str
    """
    names = list(result["splits"])
    rows = [("", names), *_rows(result, names)]
    return _lay_out([row for row in rows if any(cell != "-" for cell in row[1])])


def mistakes_table(result):
    """Rows of how many mistakes of each kind there are, one column a set, and below what the kinds mean."""
    sets = result["mistakes"]
    rows = [("mistakes", list(sets))]
    rows += [(f"  {kind}", [str(found[kind]) for found in sets.values()]) for kind in KINDS]
    meaning = "\n".join(f"{kind}: {MEANING[kind]}" for kind in KINDS)
    return f"{_lay_out(rows)}\n\n{meaning}"


def answers_list(result):
    """The first answers of each scenario in each set, as Markdown."""
    lines = []
    for name, scenarios in result["answers"].items():
        for scenario, answers in scenarios.items():
            lines += [f"**{scenario.replace('_', ' ')}**, {name}:", ""]
            lines += [f"- `{one['source']}` → {one['answer']}{_mark(one)}" for one in answers]
            lines.append("")
    return "\n".join(lines).rstrip()


def _mark(one):
    return "" if one["right"] else f" (right: {one['target']})"


def _lay_out(rows):
    """Align rows of a label and cells."""
    label = max(len(row[0]) for row in rows)
    widths = [max(len(row[1][i]) for row in rows) for i in range(len(rows[0][1]))]
    return "\n".join(
        " ".join(
            [first.ljust(label), *(cell.rjust(width + 2) for cell, width in zip(cells, widths, strict=True))]
        ).rstrip()
        for first, cells in rows
    )


def _rows(result, names):
    """(label, cells) of every row."""
    splits = [result["splits"][name] for name in names]
    told_apart = any("scenarios" in split for split in splits)
    yield "exact match" + (" *" if told_apart else ""), [_percent(split, "exact_match") for split in splits]
    yield "  95 %", [_range(split.get("interval_95")) for split in splits]
    scenarios = sorted({scenario for split in splits for scenario in split.get("scenarios", ())})
    for scenario in [name for name in scenarios if name not in ("arithmetic", "generation")]:
        cells = [_percent(split.get("scenarios", {}).get(scenario, {}), "exact_match") for split in splits]
        yield "  " + scenario.replace("_", " "), cells
    yield "slot F1 *", [_percent(split, "slot_f1") for split in splits]
    yield "character BLEU-4" + (" *" if told_apart else ""), [_percent(split, "bleu") for split in splits]
    for part, key, label in (
        ("arithmetic", "exact_match", "arithmetic"),
        ("generation", "slot_coverage", "generation, keywords covered"),
        ("generation", "bleu", "generation, character BLEU-4"),
        ("generation", "one_of_the_references", "generation, one of the right answers"),
        ("generation", "distinct_2", "generation, distinct-2"),
        ("generation", "distinct_2_of_the_targets", "  of the targets"),
        ("abstention", "declined_rightly", "declined, where it cannot be answered"),
        ("abstention", "declined_wrongly", "declined, where it can"),
    ):
        yield label, [_percent(result[part].get(name, {}), key) for name in names]
    for baseline, label in (
        ("most_frequent", "baseline: most frequent answer *"),
        ("nearest", "baseline: nearest question *"),
    ):
        cells = result["baselines"].get(baseline, {}).get("splits", {})
        yield (
            label if told_apart else label.removesuffix(" *"),
            [_percent(cells.get(name, {}), "exact_match") for name in names],
        )
    yield "loss, nats per token", [f"{split['loss']:.3f}" for split in splits]
    yield "n" + (" *" if told_apart else ""), [str(split["n"]) for split in splits]
    if told_apart:
        yield "* without arithmetic and generation", [""] * len(names)


def _range(interval):
    return "-" if interval is None else f"{100 * interval[0]:.1f}-{100 * interval[1]:.1f}"


def _percent(values, key):
    value = values.get(key)
    return "-" if value is None else f"{100 * value:.1f}"
