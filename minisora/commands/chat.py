"""``minisora chat``: ask a model, once or at a prompt."""

import sys

import click

from minisora.commands.options import device_option
from minisora.commands.own_layers import layer_option, own_layers
from minisora.commands.post_processing import post_processing, post_processing_options

DEFAULT_MODEL = "sora/sora-base"

model_name = {"default": DEFAULT_MODEL, "metavar": "NAME_OR_FOLDER"}


@click.command()
@click.argument("question", required=False)
@click.option("--model", "name", help="A bundled model or the folder of one.", show_default=True, **model_name)
@click.option("--context", metavar="KEY=VALUE;...", help="Facts to answer from: 城市=北京;天气=小雨")
@click.option(
    "--turns", default=1, type=click.IntRange(1), help="At the prompt: how many of the last questions are read."
)
@post_processing_options
@device_option
@layer_option
def command(question, name, context, turns, device, own, **steps):
    """Answer QUESTION, or ask for questions until an empty line or Ctrl-D.

    A question may bring its facts along: minisora chat "城市=北京;天气=小雨|北京要带伞吗？"
    """
    if question is not None and not question.strip():
        raise click.UsageError("expected a question, got an empty text")
    facts = None if context is None else parse_facts(context)
    from minisora.checkpoint import load

    pretrained = load(name, layers=own_layers(own))
    finish = post_processing(pretrained.target_tokenizer, **steps).apply
    pretrained.model.to(device)
    if question is None:
        converse(pretrained, facts, turns, finish)
    else:
        click.echo(finish(ask(pretrained, facts, [question])))


def parse_facts(text):
    """The facts of ``key=value;key=value`` as a dict."""
    from minisora.corpus.source import parse_source

    facts, _ = parse_source(f"{text}|")
    if not facts:
        raise click.UsageError(f"--context expects facts written key=value;key=value, got {text!r}")
    return facts


def ask(pretrained, facts, questions):
    """The model's answer to the last of the questions, given those before it and the facts, if there are any."""
    from minisora.generation import answer

    source = source_of(facts, questions)
    return answer(pretrained.model, pretrained.source_tokenizer, pretrained.target_tokenizer, [source])[0]


def source_of(facts, questions):
    """What the model reads.

    Without facts the questions go to the model as they were typed: the first may bring its own facts along.
    """
    if facts is None:
        return "|".join(questions)
    from minisora.corpus.source import build_source

    return build_source(facts, *questions)


def without_oldest(pretrained, facts, questions):
    """The last questions, as many as the model can read together; at least one."""
    longest = pretrained.model.config.max_len
    while len(questions) > 1 and len(pretrained.source_tokenizer.encode(source_of(facts, questions))) > longest:
        questions = questions[1:]
    return questions


def read_question():
    """The next line of the input, empty at its end; a prompt is shown to people only."""
    if sys.stdin is None:
        raise click.UsageError("expected a question, and there is no standard input to read one from")
    try:
        return input("> " if sys.stdin.isatty() else "")
    except EOFError:
        return ""


def converse(pretrained, facts, turns, finish):
    """Ask and answer until an empty line or the end of the input; an unusable question does not end it.

    ``finish`` is applied to each answer before it is shown.
    """
    questions = []
    while (question := read_question()).strip():
        questions = [*questions, question][-turns:]
        try:
            questions = without_oldest(pretrained, facts, questions)
            click.echo(finish(ask(pretrained, facts, questions)))
        except ValueError as error:
            click.echo(f"minisora: {error}", err=True)
            questions.pop()
