"""``minisora corpus``: look at the generator's examples, or write them to a file."""

from dataclasses import asdict
from itertools import islice

import click

from minisora.commands.output import json_option, print_json


@click.command()
@click.option("--split", default="train", show_default=True, help="train, dev, iid, comb, tmpl, val or len.")
@click.option("--seed", default=0, show_default=True, help="Of the stream.")
@click.option("--start", default=0, show_default=True, type=click.IntRange(0), help="Index of the first example.")
@click.option("--fixed", is_flag=True, help="The fixed set that evaluate uses, in the place of the stream of a seed.")
@click.option("--count", default=10, show_default=True, type=click.IntRange(1), help="Number of examples.")
@click.option("--out", type=click.Path(dir_okay=False), help="Write to this file; its ending says how: .tsv or .jsonl.")
@json_option
def command(split, seed, start, fixed, count, out, as_json):
    """Print or write examples of the Chinese corpus: source, tab, target.

    The stream is unlimited, and the example at an index is always the same.
    """
    from minisora.corpus import stream, test_set, write_pairs

    examples = test_set(split, start + count)[start:] if fixed else list(islice(stream(seed, split, start), count))
    if out is not None:
        write_pairs(out, examples)
    if as_json:
        print_json({"split": split, "fixed": fixed, "start": start, "examples": list(map(asdict, examples))})
    elif out is None:
        for example in examples:
            click.echo(f"{example.source}\t{example.target}")
