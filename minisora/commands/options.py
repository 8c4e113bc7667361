"""Command-line options made from the fields of a config's dataclass, so that the two cannot differ."""

from dataclasses import fields
from typing import Literal, get_args, get_origin

import click
from click.core import ParameterSource

MODEL_HELP = {
    "d_model": "Width of the vectors.",
    "num_heads": "Attention heads.",
    "num_encoder_layers": "Layers of the encoder.",
    "num_decoder_layers": "Layers of the decoder.",
    "d_ff": "Width inside the feed-forward layers.",
    "dropout": "Probability of dropping a value in training.",
    "attention_dropout": "The same on attention weights; by default as --dropout.",
    "feed_forward_dropout": "The same inside the feed-forward layers; by default as --dropout.",
    "activation": "Of the feed-forward layers.",
    "norm": "LayerNorm before or after each sub-layer.",
    "positions": "How positions are told apart.",
    "max_len": "Longest text in tokens.",
    "norm_eps": "LayerNorm's eps.",
    "encoder": "The Transformer's, or recurrent layers with self-attention on top.",
    "cell": "Of the recurrent layers.",
    "bidirectional": "Whether recurrent layers read from both ends.",
    "copy": "Whether the decoder can copy tokens of the source.",
}

TRAINING_HELP = {
    "steps": "Updates of the whole training.",
    "batch_tokens": "Source and target positions of a batch, padding counted.",
    "batch_examples": "Examples of a batch, at most; by default as many as --batch-tokens allows.",
    "chunk_examples": "Examples drawn together and sorted by length.",
    "learning_rate": "Peak of the schedule.",
    "schedule": "inverse_sqrt, cosine, linear or constant.",
    "warmup_steps": "Steps in which the learning rate rises.",
    "decay_from": "Share of the steps before cosine and linear fall.",
    "final_rate": "Share of the peak at which cosine and linear end.",
    "optimizer": "adam, adamw or sgd.",
    "betas": "Of adam and adamw.",
    "eps": "Of adam and adamw.",
    "momentum": "Of sgd.",
    "weight_decay": "Of adamw; norms, biases and embeddings are left out.",
    "l1": "Penalty on the size of the weights.",
    "l2": "Penalty on half the square of the weights.",
    "penalize": "weights, or all: norms, biases and embeddings too.",
    "clip": "Largest norm of the gradient; 0 for none.",
    "accumulate": "Batches per update.",
    "shards": "Parts of a batch that are computed side by side.",
    "label_smoothing": "Share of the target spread over the vocabulary.",
    "seed": "Of the initial model, of dropout and of the order of the data.",
    "eval_every": "Steps between evaluations on dev; 0: only at the end.",
    "save_every": "Steps between checkpoints.",
    "log_every": "Steps between lines in log.jsonl.",
    "select": "Best checkpoint by exact_match or loss.",
    "keep": "Last checkpoints that stay, besides the best.",
    "patience": "End after so many evaluations without a better one; 0: never.",
    "threads": "Threads for the shards; one each unless given.",
    "backend": "What computes; auto: numba for all but short trainings, else numpy.",
}


GENERATION_HELP = {
    "max_len": "Longest answer in tokens.",
    "temperature": "Draw tokens, the more freely the higher; 0: take the most probable one.",
    "top_k": "Draw among so many of the most probable tokens; 0: all.",
    "top_p": "Draw among the most probable tokens that reach this probability together.",
    "repetition_penalty": "How much less tokens count that have been said.",
    "no_repeat_ngram": "Never say so many tokens in a row twice; 0: allowed.",
    "beams": "Hypotheses of a beam search.",
    "length_penalty": "Of the beam search: the higher, the longer the answer may be.",
    "n_best": "Answers of the beam search to show, with their scores.",
    "seed": "Of what is drawn.",
}


def check_device(context, parameter, device):
    """Refuse a device that is not there at once, before a corpus is read."""
    if device != "cpu":
        from minisora.layers.layer import mover

        mover(device)
    return device


device_option = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    callback=check_device,
    help="Where to compute; cuda is an NVIDIA GPU, through CuPy.",
)


CORPUS = "corpus"  # the word for the corpus in the place of a file


def data_options(dev_count):
    """Decorate a command with the options that say what to train on and what to judge by."""
    kinds = "Pairs, .tsv or .jsonl, or one of the words corpus, copy, reverse, sort."
    options = (
        click.option("--data", default=CORPUS, show_default=True, metavar="FILE", help=kinds),
        click.option("--dev", metavar="FILE", help="Pairs to judge the model by; for a corpus its own."),
        click.option(
            "--dev-count",
            default=dev_count,
            show_default=True,
            type=click.IntRange(1),
            help="Size of a corpus's own dev set.",
        ),
        click.option("--corpus-seed", default=0, show_default=True, help="Of the stream of training examples."),
        click.option(
            "--made-up-names",
            default=0,
            show_default=True,
            type=click.IntRange(0, 100),
            help="In how many of 100 examples of the corpus names are made up.",
        ),
        click.option(
            "--emphasis",
            type=(str, click.IntRange(1)),
            multiple=True,
            metavar="SCENARIO N",
            help="Draw a scenario of the corpus N times as often; may be repeated.",
        ),
    )

    return lambda function: all_of(options, function)


def tokenizer_options(function):
    """Decorate a command with the options of the tokenizers and the embeddings of a new model."""
    kinds = click.Choice(["characters", "whitespace", "words", "bpe"])
    size = "Most tokens of a vocabulary. Default: 8000 for words and bpe, else no limit."
    forms, ties = click.Choice(["nfkc", "width"]), click.Choice(["none", "output", "all"])
    options = (
        click.option("--tokenizer", default="characters", show_default=True, type=kinds, help="What a token is."),
        click.option("--target-tokenizer", type=kinds, help="For targets with a vocabulary of their own."),
        click.option("--vocab-size", type=click.IntRange(1), help=size),
        click.option("--normalization", type=forms, help="Of all texts before they are encoded."),
        click.option("--tie", type=ties, help="Default: all with one vocabulary, else output."),
    )
    return all_of(options, function)


def given_options(options):
    """Names of the options that were given to the command that runs, and not left to their default."""
    source = click.get_current_context().get_parameter_source
    return {name for name in options if source(name) is not ParameterSource.DEFAULT}


BELONGS = {  # what an option says nothing without: another one, and its values
    "momentum": ("optimizer", ("sgd",)),
    "betas": ("optimizer", ("adam", "adamw")),
    "eps": ("optimizer", ("adam", "adamw")),
    "weight_decay": ("optimizer", ("adamw",)),
    "decay_from": ("schedule", ("cosine", "linear")),
    "final_rate": ("schedule", ("cosine", "linear")),
    "cell": ("encoder", ("rnn",)),
    "bidirectional": ("encoder", ("rnn",)),
}


def refuse_without_effect(given, settings):
    """Raise UsageError where an option that was given belongs to what is not chosen."""
    for name in sorted(given & BELONGS.keys()):
        other, values = BELONGS[name]
        if settings[other] not in values:
            expected = f"--{other} {' or '.join(values)}"
            raise click.UsageError(f"--{name.replace('_', '-')} belongs to {expected}, got --{other} {settings[other]}")


def all_of(options, function):
    """Decorate a command with several options, the first of them first in the help."""
    for option in reversed(options):
        function = option(function)
    return function


def config_options(config_class, helps):
    """Decorate a command with an option for each field of ``config_class`` that ``helps`` describes, in that order."""

    def decorate(function):
        known = {field.name: field for field in fields(config_class)}
        return all_of([field_option(known[name], text) for name, text in helps.items()], function)

    return decorate


def field_option(field, text):
    """The option of one field: its name with dashes, its default, and its type."""
    if get_origin(field.type) is Literal:
        kind = click.Choice(get_args(field.type))
    elif isinstance(field.default, tuple):
        kind = tuple(type(value) for value in field.default)
    else:
        kind = get_args(field.type)[0] if field.default is None else type(field.default)
    flag = f"--{field.name.replace('_', '-')}"
    if field.type is bool:
        flag = f"{flag}/--no-{field.name.replace('_', '-')}"
    shown = field.default is not None
    return click.option(flag, field.name, type=kind, default=field.default, show_default=shown, help=text)


def pick(options, helps):
    """The part of a command's options that belongs to one config; ``--clip 0`` becomes None."""
    picked = {name: options[name] for name in helps if name in options}
    return picked | {"clip": picked["clip"] or None} if "clip" in picked else picked
