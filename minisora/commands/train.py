"""``minisora train``: from pairs of texts to a model in a folder."""

from dataclasses import replace

import click

from minisora.commands.options import (
    CORPUS,
    MODEL_HELP,
    TRAINING_HELP,
    config_options,
    data_options,
    device_option,
    given_options,
    pick,
    refuse_without_effect,
    tokenizer_options,
)
from minisora.commands.output import json_option, print_json
from minisora.commands.own_layers import layer_option, own_layers
from minisora.config import SoraConfig
from minisora.training.config import TrainingConfig

SAMPLE = 20_000  # pairs of the corpus, which has no end, that words and bpe are learnt from


@click.command()
@data_options(dev_count=1000)
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder for checkpoints and log.jsonl.")
@click.option("--resume", is_flag=True, help="Go on from the folder's latest checkpoint; name the data again.")
@click.option("--start-from", metavar="NAME_OR_FOLDER", help="Begin with this model and its tokenizers, not anew.")
@click.option("--stop-after", type=click.IntRange(1), metavar="STEP", help="Save and stop here; --resume goes on.")
@click.option("--max-minutes", type=click.FloatRange(0, min_open=True), help="Save and stop after so many minutes.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@tokenizer_options
@click.option(
    "--embedding",
    type=click.Path(dir_okay=False, exists=True),
    metavar="FILE",
    help="Begin with these word vectors, of width d-model, for the source's tokens (tied: the target's too).",
)
@click.option("--freeze-embedding", is_flag=True, help="Leave the source's embedding as it is, and all that is tied.")
@device_option
@layer_option
@config_options(SoraConfig, MODEL_HELP)
@config_options(TrainingConfig, TRAINING_HELP)
@json_option
@click.pass_context
def command(ctx, out, resume, quiet, stop_after, max_minutes, as_json, **options):
    """Train a model on pairs of texts, or on the corpus that comes with minisora.

    The folder can be given to chat and evaluate at any time: they take the best checkpoint.
    """
    given = given_options(options)
    trainer = continued(out, options, given) if resume else begun(out, options, given)
    result = trainer.fit(resume=resume, max_minutes=max_minutes, stop_after=stop_after, progress_bar=not quiet)
    report(result, trainer, as_json)
    if result.reason == "interrupted":
        ctx.exit(130)  # all is saved, but what was to follow in a script should not


def report(result, trainer, as_json):
    """Say how the training ended."""
    parameters = trainer.model.num_parameters()
    if as_json:
        summary = {name: getattr(result, name) for name in ("step", "reason", "loss", "best_step")}
        if result.loss is None:
            del summary["loss"]
        print_json(summary | {"parameters": parameters, "folder": str(trainer.folder)})
        return
    best = "" if result.best_step is None else f", best on dev at step {result.best_step}"
    loss = "" if result.loss is None else f": loss {result.loss:.4f}"
    click.echo(f"{result.reason} at step {result.step}{loss}{best}")
    click.echo(f"{parameters:,} parameters in {trainer.folder}")


def begun(out, options, given):
    """A trainer at its first step, with a new model or with the one that ``--start-from`` names."""
    from minisora.checkpoint import load
    from minisora.training import Trainer

    config = TrainingConfig(**pick(options, TRAINING_HELP))
    if options["start_from"] is not None:
        refuse_model_options(given, "--start-from")
    refuse_without_effect(given, options)
    data, dev = read_data(options)
    if options["start_from"] is None:
        model, source, target = new_model(data, options, config.seed)
        if options["embedding"] is not None:
            begin_embedding(model, source, options["embedding"])
        elif options["freeze_embedding"]:
            raise click.UsageError("--freeze-embedding expects --embedding, or a model that is there already")
    else:
        model, source, target = load(options["start_from"], layers=own_layers(options["own"]))
    freeze_embedding(model, options)
    return Trainer(model.to(options["device"]), data, source, target, config, dev=dev, folder=out)


def begin_embedding(model, tokenizer, path):
    """Let the source's embedding begin with the word vectors in a file; say how many tokens have none."""
    from minisora.text.specials import SPECIALS
    from minisora.text.vector_file import read_vectors
    from minisora.training.pretrained_embedding import start_embedding

    known = start_embedding(model.encoder.embedded.embedding, tokenizer.tokens, read_vectors(path))
    others = tokenizer.vocab_size - len(SPECIALS) - known
    click.echo(f"embedding: {known:,} tokens begin with their vector, {others:,} have none: random", err=True)


def freeze_embedding(model, options):
    """Keep optimizers away from the source's embedding, if that is asked for."""
    if options["freeze_embedding"]:
        model.encoder.embedded.embedding.table.trainable = False


def new_model(data, options, seed):
    """A new model, and tokenizers learnt from the training pairs."""
    import numpy as np

    from minisora.model import SoraModel

    texts = {name: options[name] for name in ("vocab_size", "normalization")}
    source, target = learn_tokenizers(data, options["tokenizer"], options["target_tokenizer"], **texts)
    sizes = {"source_vocab_size": source.vocab_size, "target_vocab_size": target.vocab_size}
    tie = options["tie"] or ("all" if source is target else "output")
    model_config = SoraConfig(**sizes, tie=tie, **pick(options, MODEL_HELP))
    layers = own_layers(options["own"])
    return SoraModel(model_config, np.random.default_rng(seed), layers=layers), source, target


def refuse_model_options(given, option):
    """Raise UsageError where an option would change a model that is there already."""
    texts = {"tokenizer", "target_tokenizer", "vocab_size", "normalization", "tie", "embedding"}
    if fixed := sorted(given & {*texts, *MODEL_HELP}):
        raise click.UsageError(f"--{fixed[0].replace('_', '-')} belongs to a new model, it cannot go with {option}")


def continued(out, options, given):
    """A trainer for the training in a folder; the Trainer refuses options that would make it another one."""
    from minisora.checkpoint import CheckpointError, load, read_pointer
    from minisora.training import Trainer
    from minisora.training.resume import has_checkpoint, read_state

    refuse_model_options(given, "--resume")
    if "start_from" in given:
        raise click.UsageError("--start-from begins a training and --resume continues one: they exclude each other")
    if not has_checkpoint(out):
        raise CheckpointError(f"expected a training to resume in {out}, found none")
    folder = read_pointer(out, "latest")
    config = read_state(folder).config
    model, source, target = load(folder, layers=own_layers(options["own"]))
    config = replace(config, **pick({name: options[name] for name in given}, TRAINING_HELP))
    refuse_without_effect(given, vars(config))
    data, dev = read_data(options)
    freeze_embedding(model, options)
    return Trainer(model.to(options["device"]), data, source, target, config, dev=dev, folder=out)


def read_data(options):
    """What to train on, and the dev pairs or None."""
    from minisora.corpus import read_pairs, test_set
    from minisora.corpus.tasks import TASKS, TaskStream
    from minisora.training.data import PairStream

    refuse_corpus_options(given_options(options), options["data"], options["dev"])
    dev = None if options["dev"] is None else read_pairs(options["dev"])
    if options["data"] in TASKS:
        dev = dev or TaskStream(options["data"], "dev").draw(0, options["dev_count"])
        return TaskStream(options["data"], options["corpus_seed"]), dev
    if options["data"] != CORPUS:
        return read_pairs(options["data"]), dev
    dev = test_set("dev", options["dev_count"]) if dev is None else dev
    emphasis = dict(options["emphasis"])
    return PairStream(options["corpus_seed"], made_up_names=options["made_up_names"], emphasis=emphasis), dev


def refuse_corpus_options(given, data, dev):
    """Raise UsageError where an option says something of a corpus that is not read."""
    from minisora.corpus.tasks import TASKS

    is_file = data != CORPUS and data not in TASKS
    refusals = (
        ({"made_up_names", "emphasis"}, data != CORPUS, f"the corpus, got --data {data}"),
        ({"corpus_seed", "dev_count"}, is_file, f"--data corpus, copy, reverse or sort, got --data {data}"),
        ({"dev_count"}, dev is not None, f"the dev set that is drawn where --dev is not given, got --dev {dev}"),
    )
    for options, refused, what in refusals:
        if refused and (unused := sorted(options & given)):
            raise click.UsageError(f"--{unused[0].replace('_', '-')} belongs to {what}")


def learn_tokenizers(data, kind, target_kind, **options):
    """The source's tokenizer and the target's, which is the same object unless the target's kind is given."""
    from minisora.text import SoraTokenizer

    sources, targets = corpus_texts(data, {kind, target_kind}) if hasattr(data, "draw") else columns(data)
    if target_kind is None:
        shared = SoraTokenizer.learn([*sources, *targets], kind, **options)
        return shared, shared
    return SoraTokenizer.learn(sources, kind, **options), SoraTokenizer.learn(targets, target_kind, **options)


def corpus_texts(stream, kinds):
    """Sources and targets to learn from: every character of the corpus, and for words and bpe a sample of its pairs."""
    if "whitespace" in kinds:
        raise click.UsageError("corpus, copy, reverse and sort are without spaces: they need characters, words or bpe")
    pairs = stream.draw(0, SAMPLE) if kinds & {"words", "bpe"} else []
    return ([*texts, stream.alphabet()] for texts in columns(pairs))


def columns(pairs):
    """Pairs as a sequence of sources and one of targets."""
    return zip(*pairs, strict=True) if pairs else ((), ())
