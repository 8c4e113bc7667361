"""``minisora tune``: search for a learning rate, a batch and a dropout."""

from pathlib import Path

import click

from minisora.commands.options import (
    MODEL_HELP,
    TRAINING_HELP,
    config_options,
    data_options,
    given_options,
    pick,
    refuse_without_effect,
    tokenizer_options,
)
from minisora.commands.output import json_option, print_json
from minisora.commands.own_layers import layer_option
from minisora.commands.train import new_model, read_data
from minisora.config import SoraConfig
from minisora.training.config import TrainingConfig

SEARCHED = ("learning_rate", "batch_tokens", "dropout")
MODEL = {name: text for name, text in MODEL_HELP.items() if name not in SEARCHED}
TRAINING = {
    name: text
    for name, text in TRAINING_HELP.items()
    if name not in (*SEARCHED, "eval_every", "save_every", "log_every", "select", "keep", "patience")
}


@click.command()
@data_options(dev_count=200)
@click.option(
    "--trials", default=20, show_default=True, type=click.IntRange(1), help="Trainings, those before counted."
)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the search.")
@tokenizer_options
@layer_option
@config_options(SoraConfig, MODEL)
@config_options(TrainingConfig, TRAINING)
@json_option
def command(trials, out, as_json, **options):
    """Search for the learning rate, the batch and the dropout that give the lowest loss on dev after --steps.

    The folder keeps every trial; the same command goes on with it, to more trials if you like. Its trials.png shows the
    loss against each setting. Needs the extra "tune" (optuna).
    """
    from tqdm import tqdm

    from minisora.training.tuning import Search

    refuse_without_effect(given_options(options), options)
    data, dev = read_data(options)
    if dev is None:
        raise click.UsageError("a search judges by dev pairs: name them with --dev")
    out.mkdir(parents=True, exist_ok=True)
    about = {name: value for name, value in options.items() if name != "threads"}
    search = Search(out, lambda settings: trained(data, dev, options | settings), about, seed=options["seed"])
    with tqdm(total=trials, initial=min(trials, len(search.trials())), disable=None) as bar:
        found = search.run(trials, lambda trial: bar.update())
    report(found, out, as_json)


def trained(data, dev, options):
    """Train a new model with these settings; return its Score on dev."""
    from minisora.training import Trainer
    from minisora.training.scoring import score_pairs

    config = TrainingConfig(**pick(options, TRAINING_HELP))
    model, source, target = new_model(data, options, config.seed)
    Trainer(model, data, source, target, config).fit(progress_bar=False)
    return score_pairs(model, source, target, dev)


def report(found, out, as_json):
    """Draw the trials, and print them, the best first."""
    from minisora.files import replace_file
    from minisora.plotting.image import png
    from minisora.plotting.tuning import plot_trials

    replace_file(out / "trials.png", png(plot_trials(found)))
    ranked = sorted(found, key=lambda trial: trial.loss)
    if as_json:
        print_json({"best": ranked[0]._asdict(), "trials": [trial._asdict() for trial in found]})
        return
    click.echo("trial  learning rate  batch tokens  dropout     loss  exact match")
    for trial in ranked:
        rate, batch, dropout = (trial.settings[name] for name in SEARCHED)
        shown = f"{trial.loss:7.4f}  {trial.exact_match:11.3f}"
        click.echo(f"{trial.number:5}  {rate:13.2e}  {batch:12}  {dropout:7.3f}  {shown}")
    click.echo(f"{out / 'trials.png'} shows them")
