"""``minisora vectors nearest``: the words whose vectors point the same way."""

import click

from minisora.commands.output import json_option, print_json
from minisora.text.vector_file import FORMATS

format_option = click.option(
    "--format", "form", type=click.Choice(FORMATS), help="Of FILE; the text formats are told apart without."
)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, exists=True))
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.option("--count", default=10, show_default=True, type=click.IntRange(1), help="Neighbours of each word.")
@format_option
@json_option
def command(file, words, count, form, as_json):
    """Print the nearest neighbours of words by the cosine of their vectors."""
    from minisora.text.vector_file import read_vectors

    vectors = read_vectors(file, form)
    found = {word: vectors.nearest(word, count) for word in words}
    if as_json:
        print_json({word: [{"word": w, "cosine": cosine} for w, cosine in near] for word, near in found.items()})
        return
    for word, near in found.items():
        click.echo(f"{word}: " + ", ".join(f"{other} {cosine:.3f}" for other, cosine in near))
