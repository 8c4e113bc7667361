"""``minisora bench multi30k``: translation of image captions, from scratch, beside what others published.

Three parts. ``epochs``: German to English, 3+3 layers, ten epochs beside the same in PyTorch, seconds an epoch and
BLEU. ``profile``: where the time of such a step goes on either side. ``tiny``: English to German by a Transformer of
4+4 layers of width 128, beam 5, and the curve of BLEU over time. The data, 29,000 captions, are for research and
education and not part of minisora.

References
----------
Elliott et al., "Multi30K: Multilingual English-German Image Descriptions", 2016. Wu et al., "Good for Misconceived
Reasons: An Empirical Revisiting on the Need for Visual Context in Multimodal Machine Translation", 2021, for
Transformer-tiny.
"""

from importlib.util import find_spec

import click

from minisora.benchmarks import multi30k_epochs as epochs
from minisora.benchmarks import multi30k_profile as profile
from minisora.benchmarks import multi30k_tiny as tiny
from minisora.benchmarks.long_runs import (
    begun,
    command_line,
    digest,
    long_options,
    read_source,
    stopped_note,
)
from minisora.benchmarks.multi30k_data import ORIGIN, files, write_toy
from minisora.benchmarks.record import machine, make_record, publish

PARTS = {"epochs": epochs, "profile": profile, "tiny": tiny}


@click.command()
@click.option("--part", "parts", multiple=True, default=tuple(PARTS), show_default=True, type=click.Choice(PARTS))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@long_options
@click.pass_context
def command(ctx, parts, seed, data, folder, minutes, threads, steps, smoke, as_json, out):
    """Translation: BLEU and seconds an epoch beside PyTorch, and BLEU of a tiny Transformer beside published ones.

    Needs the extra "scores" (sacrebleu), and for the parts epochs and profile "parity" (torch). Stopped by Ctrl-C or
    --minutes, the same command goes on where it was.
    """
    parts = list(dict.fromkeys(parts))
    check_options(parts, steps)
    here = machine()  # before our own load
    with begun(data, folder, minutes, smoke, write_toy, files(), ORIGIN) as (data, runs):
        options = {"data": str(data), "digest": digest(data, files()), "seed": seed, "threads": threads, "smoke": smoke}
        rows = [PARTS[part].measure(runs, options | {"steps": steps} if part == "tiny" else options) for part in parts]
        source = read_source(data)
    told = {"command": command_line(ctx), "threads": threads, "seed": seed, "stopped": runs.stopped, "smoke": smoke}
    record = make_record(here, [row for row in rows if row is not None], "torch", "sacrebleu", source=source, **told)
    texts = [PARTS[part].table(row) for part, row in zip(parts, rows, strict=True) if row is not None]
    publish(record, "\n\n".join([told["command"], *texts, stopped_note(runs) + source]), as_json, out)
    if runs.interrupted:
        ctx.exit(130)


def check_options(parts, steps):
    """Name what is missing, or of no use, before anything begins."""
    if steps is not None and "tiny" not in parts:
        raise click.UsageError("--steps belongs to the part tiny: the part epochs has ten epochs")
    if find_spec("sacrebleu") is None:
        raise click.UsageError("sacrebleu is not installed: pip install 'minisora[scores]'")
    if {"epochs", "profile"} & set(parts) and find_spec("torch") is None:
        raise click.UsageError("torch is not installed: pip install 'minisora[parity]', or measure with --part tiny")
