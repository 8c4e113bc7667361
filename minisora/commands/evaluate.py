"""``minisora evaluate``: how often a model's answer is exactly the right one."""

from pathlib import Path

import click

from minisora.commands.chat import model_name
from minisora.commands.options import device_option
from minisora.commands.output import json_option, print_json
from minisora.commands.own_layers import layer_option, own_layers


@click.command()
@click.argument("name", required=False, **model_name)
@click.option(
    "--beside", multiple=True, metavar="NAME_OR_FOLDER", help="Another model, in the same table; may be repeated."
)
@click.option("--data", metavar="FILE", help="Pairs, .tsv or .jsonl, in the place of the corpus's sets.")
@click.option("--split", "splits", multiple=True, help="One set of the corpus; may be repeated. All unless given.")
@click.option(
    "--count", default=1000, show_default=True, type=click.IntRange(1), help="Examples of each set of the corpus."
)
@click.option("--seed", default=0, show_default=True, help="Of the training stream that the set train is taken from.")
@click.option("--reference", metavar="FILE", help="Training pairs for the baselines; for the corpus its own stream.")
@click.option("--beams", default=1, show_default=True, type=click.IntRange(1), help="1: greedy decoding.")
@click.option("--no-baselines", is_flag=True, help="Measure the model alone.")
@click.option("--mistakes", is_flag=True, help="Show how many mistakes of each kind there are, too.")
@click.option("--answers", is_flag=True, help="Show the first ten answers of each scenario, too.")
@device_option
@layer_option
@json_option
def command(name, beside, data, splits, count, seed, reference, beams, no_baselines, device, own, as_json, **parts):
    """Evaluate a bundled model, or the one in a folder, on the corpus's held-out sets or on a file.

    The baselines are the most frequent answer and the answer to the nearest training question. With --beside there are
    none, and the table has a row for each model.
    """
    if data is not None and (splits or any(parts.values())):
        raise click.UsageError("--split, --mistakes and --answers are for the corpus, they exclude --data")
    if beside and any(parts.values()):
        raise click.UsageError("--mistakes and --answers are for one model, they exclude --beside")
    if reference is not None and (beside or no_baselines):
        raise click.UsageError("--reference is for the baselines, which --beside and --no-baselines leave out")
    from minisora.checkpoint import load
    from minisora.training.evaluation import corpus_sets, evaluate
    from minisora.training.table import answers_list, comparison_table, evaluation_table, mistakes_table

    models = {one: load(one, layers=own_layers(own)) for one in (name, *beside)}
    sets = corpus_sets(splits or None, count, seed) if data is None else {Path(data).stem: read(data)}
    pairs = None if no_baselines or beside else training_pairs(reference, data, seed)
    results = {}
    for one, pretrained in models.items():
        pretrained.model.to(device)
        results[one] = evaluate(pretrained, sets, reference=pairs, beams=beams)
        results[one]["parameters"] = pretrained.model.num_parameters()
    if as_json:
        print_json({"models": results} if beside else results[name])
        return
    wanted = [(True, comparison_table if beside else evaluation_table)]
    wanted += [(parts["mistakes"], mistakes_table), (parts["answers"], answers_list)]
    click.echo("\n\n".join(show(results if beside else results[name]) for asked, show in wanted if asked))


def read(path):
    """The pairs of a file."""
    from minisora.corpus import read_pairs

    return read_pairs(path)


def training_pairs(reference, data, seed):
    """What the baselines learn from; None where that is unknown."""
    from minisora.training.evaluation import corpus_reference

    if reference is not None:
        return read(reference)
    return corpus_reference(seed=seed) if data is None else None
