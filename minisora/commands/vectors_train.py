"""``minisora vectors train``: from text to word vectors in a file."""

from dataclasses import fields
from pathlib import Path

import click

from minisora.commands.options import all_of, given_options
from minisora.commands.output import json_option, print_json
from minisora.text.glove_training import GloveConfig, train_glove
from minisora.text.vector_file import FORMATS, write_vectors
from minisora.text.word2vec_training import ARCHITECTURES, Word2VecConfig, train_word2vec
from minisora.text.word_counts import read_sentences

MODELS = (*ARCHITECTURES, "glove")
LOSSES = ("negative-sampling", "softmax", "least-squares")
HELP = {
    "size": (int, "Width of the vectors; 100."),
    "window": (int, "Largest distance of a neighbour; 5, glove 10."),
    "epochs": (int, "How often the text is gone through; 5, glove 25."),
    "min_count": (int, "Rarer words are left out; 5."),
    "rate": (float, "Learning rate; skip-gram 0.025, cbow 0.1, glove 0.05."),
    "seed": (int, "Of everything random; 0."),
    "negatives": (int, "Words of noise for each example, of negative sampling; 5."),
    "subsample": (float, "Share of the text above which a word is thinned out, of skip-gram and cbow; 0.001."),
    "x_max": (float, "Count from which on a pair has its whole weight, of glove; 100."),
}


def options_of_configs(function):
    """Decorate the command with the options in HELP; whether they fit the model is looked at when they are used."""
    options = (
        click.option(f"--{name.replace('_', '-')}", name, type=kind, help=text) for name, (kind, text) in HELP.items()
    )
    return all_of([*options], function)


@click.command()
@click.argument("texts", nargs=-1, required=True, type=click.Path(dir_okay=False, exists=True), metavar="TEXT...")
@click.option("--out", required=True, type=click.Path(dir_okay=False), metavar="FILE", help="Where the vectors go.")
@click.option("--format", "form", default="word2vec", show_default=True, type=click.Choice(FORMATS), help="Of FILE.")
@click.option("--model", default="skip-gram", show_default=True, type=click.Choice(MODELS))
@click.option(
    "--loss", type=click.Choice(LOSSES), help="Default: negative-sampling, for glove least-squares; all know softmax."
)
@options_of_configs
@click.option("--lower", is_flag=True, help="Read the text in lower case.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@json_option
def command(texts, out, form, model, lower, quiet, as_json, **options):
    """Train word vectors on text: words between white space, a sentence a line.

    The numbers depend on the text, the options and the seed, and not on the number of threads (those of softmax, in
    their last digits, may).
    """
    given = given_options(options)
    config = make_config(model, {name: options[name] for name in given})
    check_folder(out)
    sentences = [sentence for path in texts for sentence in read_sentences(path)]
    if lower:
        sentences = [[word.lower() for word in sentence] for sentence in sentences]
    vectors = train(sentences, config, progress_bar=not quiet)
    write_vectors(out, vectors, form)
    size, width = vectors.vectors.shape
    if as_json:
        print_json({"words": size, "size": width, "model": model, "loss": config.loss, "format": form, "file": out})
    else:
        click.echo(f"{size:,} words with {width} numbers each in {out}")


def make_config(model, given):
    """The config of a model, from the options that were given."""
    kind, fixed = (GloveConfig, {}) if model == "glove" else (Word2VecConfig, {"architecture": model})
    known = {field.name for field in fields(kind)}
    if strange := sorted(given.keys() - known):
        raise click.UsageError(f"--{strange[0].replace('_', '-')} does not belong to the model {model}")
    return kind(**fixed, **given)


def check_folder(out):
    """Refuse a file that could not be written before the training, not after it."""
    if not Path(out).parent.is_dir():
        raise click.UsageError(f"--out expects a file in an existing folder, {Path(out).parent} is none")


def train(sentences, config, *, progress_bar):
    """The vectors of sentences by the training that a config belongs to."""
    run = train_glove if isinstance(config, GloveConfig) else train_word2vec
    return run(sentences, config, progress_bar=progress_bar)
