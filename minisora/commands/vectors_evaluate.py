"""``minisora vectors evaluate``: how well word vectors agree with people's judgement."""

from pathlib import Path

import click

from minisora.commands.output import json_option, print_json
from minisora.commands.vectors_nearest import format_option


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, exists=True))
@click.argument("pairs", nargs=-1, required=True, type=click.Path(dir_okay=False, exists=True), metavar="PAIRS...")
@format_option
@json_option
def command(file, pairs, form, as_json):
    """Print Spearman's correlation of cosines with the scores in files of pairs, such as WordSim-353 or SimLex-999.

    A line of PAIRS is: word, word, score. Only pairs of which both words have a vector count; how many is told.
    """
    from minisora.text.vector_file import read_vectors
    from minisora.text.word_pairs import evaluate, read_word_pairs

    vectors = read_vectors(file, form)
    names = [Path(path).name for path in pairs]
    if len(set(names)) < len(names):  # files of one name in several folders: each has its line
        names = pairs
    found = {name: evaluate(vectors, read_word_pairs(path)) for name, path in zip(names, pairs)}
    if as_json:
        print_json({name: agreement._asdict() for name, agreement in found.items()})
        return
    for name, (spearman, covered, count) in found.items():
        click.echo(f"{name}: Spearman {spearman:.4f} over {covered} of {count} pairs")
