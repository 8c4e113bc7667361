"""``minisora bench multi30k``: translation of image captions, from scratch, beside what others published.

Two parts. ``epochs``: German to English, 3+3 layers, ten epochs beside the same in PyTorch, seconds an epoch and BLEU.
``tiny``: English to German by a Transformer of 4+4 layers of width 128, beam 5, and the curve of BLEU over time. The
data, 29,000 captions, are for research and education and not part of minisora.

References
----------
Elliott et al., "Multi30K: Multilingual English-German Image Descriptions", 2016. Wu et al., "Good for Misconceived
Reasons: An Empirical Revisiting on the Need for Visual Context in Multimodal Machine Translation", 2021, for
Transformer-tiny.
"""

import tempfile
from importlib.util import find_spec
from pathlib import Path

import click
from tqdm import tqdm

from minisora.benchmarks import multi30k_epochs as epochs
from minisora.benchmarks import multi30k_tiny as tiny
from minisora.benchmarks.long_runs import (
    LongRuns,
    check_folders,
    command_line,
    describe,
    keep_json,
    long_options,
    read_result,
    read_source,
    stopped_note,
)
from minisora.benchmarks.multi30k_data import ORIGIN, files, write_toy
from minisora.benchmarks.record import machine, make_record, publish

PARTS = ("epochs", "tiny")


@click.command()
@click.option("--part", "parts", multiple=True, default=PARTS, show_default=True, type=click.Choice(PARTS))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@long_options
@click.pass_context
def command(ctx, parts, seed, data, folder, minutes, threads, steps, smoke, as_json, out):
    """Translation: BLEU and seconds an epoch beside PyTorch, and BLEU of a tiny Transformer beside published ones.

    Needs the extra "scores" (sacrebleu), and for the part epochs "parity" (torch). Stopped by Ctrl-C or --minutes, the
    same command goes on where it was.
    """
    check_libraries(parts)
    here = machine()  # before our own load
    with tempfile.TemporaryDirectory() as temporary:
        if smoke and data is None:
            data = write_toy(Path(temporary) / "data")
        folder = Path(temporary) if smoke and folder is None else folder
        check_folders(data, files(), folder, ORIGIN)
        runs = LongRuns(folder, minutes)
        options = {"data": str(data), "seed": seed, "threads": threads, "smoke": smoke}
        rows = []
        if "epochs" in parts:
            rows.append(beside_torch(runs, options, minutes))
        if "tiny" in parts:
            rows.append(tiny.measure(runs, options, steps))
        source = read_source(data)
    rows = [row for row in rows if row is not None]
    settings = {"command": command_line(ctx), "threads": threads, "seed": seed, "smoke": smoke}
    record = make_record(here, rows, "torch", "sacrebleu", source=source, **settings)
    publish(record, "\n\n".join([settings["command"], *tables(rows), stopped_note(runs) + source]), as_json, out)
    if runs.interrupted:
        ctx.exit(130)


def check_libraries(parts):
    """Name what is missing before anything begins."""
    if find_spec("sacrebleu") is None:
        raise click.UsageError("sacrebleu is not installed: pip install 'minisora[scores]'")
    if "epochs" in parts and find_spec("torch") is None:
        raise click.UsageError("torch is not installed: pip install 'minisora[parity]', or measure with --part tiny")


def beside_torch(runs, options, minutes):
    """The row of the first part: read where it is finished, else measured and kept."""
    home = runs.folder / "epochs"
    home.mkdir(exist_ok=True)
    model = epochs.MODEL | (epochs.SMOKE if options["smoke"] else {})
    sizes = (2, 7, 40) if options["smoke"] else (epochs.EPOCHS, epochs.BATCH, None)
    options = options | {"folder": str(home), "model": model, "training": epochs.TRAINING}
    options |= dict(zip(("epochs", "batch", "most"), sizes, strict=True))
    settings = {name: value for name, value in options.items() if name not in ("data", "folder")}
    if (home / "result.json").is_file():
        return read_result(home / "result.json", settings)
    with tqdm(total=2 * options["epochs"], unit="epoch", disable=None) as bar:
        row, where = epochs.measure(options, minutes, bar)
    if row is None:
        runs.stopped = f"beside torch at epoch {where}"
        return None
    row |= {
        "model": model,
        "training": options["training"]
        | {"batch": options["batch"], "epochs": options["epochs"], "seed": options["seed"]},
    }
    keep_json(home / "result.json", {"settings": settings, "row": row})
    return row


def tables(rows):
    """Of each row its settings and its table, for people."""
    for row in rows:
        yield describe(row["model"], row["training"])
        yield epochs.table(row) if "opponents" in row else tiny.table(row)
