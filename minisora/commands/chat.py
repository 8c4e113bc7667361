"""``minisora chat``: ask a model, once or at a prompt."""

import sys
from collections.abc import Callable
from typing import NamedTuple

import click

from minisora.commands.options import GENERATION_HELP, config_options, device_option, pick
from minisora.commands.own_layers import layer_option, own_layers
from minisora.commands.post_processing import post_processing, post_processing_options
from minisora.generation.config import GenerationConfig

DEFAULT_MODEL = "sora/sora-base"

model_name = {"default": DEFAULT_MODEL, "metavar": "NAME_OR_FOLDER"}


@click.command()
@click.argument("question", required=False)
@click.option("--model", "name", help="A bundled model or the folder of one.", show_default=True, **model_name)
@click.option("--context", metavar="KEY=VALUE;...", help="Facts to answer from: 城市=北京;日期=明天;天气=小雨")
@click.option(
    "--turns", default=1, type=click.IntRange(1), help="At the prompt: how many of the last questions are read."
)
@config_options(GenerationConfig, GENERATION_HELP)
@click.option("--stream/--no-stream", default=None, help="Show an answer as it comes. Default: on a terminal.")
@post_processing_options
@device_option
@layer_option
def command(question, name, context, turns, stream, device, own, **options):
    """Answer QUESTION, or ask for questions until an empty line or Ctrl-D.

    A question may bring its facts along: minisora chat "城市=北京;日期=明天;天气=小雨|明天北京要带伞吗？"
    """
    strategy = pick(options, GENERATION_HELP)
    steps = {name: value for name, value in options.items() if name not in strategy}
    stream = as_it_comes(stream, GenerationConfig(**strategy), steps)
    if question is not None and not question.strip():
        raise click.UsageError("expected a question, got an empty text")
    facts = None if context is None else parse_facts(context)
    from minisora.checkpoint import load

    pretrained = load(name, layers=own_layers(own))
    finish = post_processing(pretrained.target_tokenizer, **steps).apply
    pretrained.model.to(device)
    speaker = Speaker(pretrained, strategy, stream, finish)
    if question is None:
        converse(speaker, facts, turns)
    else:
        speaker.answer(source_of(facts, [question]))


def as_it_comes(stream, config, steps):
    """Whether answers are shown as they come: as asked, else on a terminal, where nothing waits for the whole."""
    if config.beams == 1 and not any(steps.values()):
        return sys.stdout is not None and sys.stdout.isatty() if stream is None else stream
    if stream:
        raise click.UsageError("--stream shows what is certain: expected neither --beams nor post-processing beside it")
    return False


class Speaker(NamedTuple):
    """Answers, and shows the answers."""

    pretrained: tuple
    strategy: dict  # options of `minisora.generation.generate`
    stream: bool
    finish: Callable  # what is done to a whole answer before it is shown

    def answer(self, source):
        """Show the answer to what the model is to read, piece by piece or whole; several with their scores."""
        from minisora.generation import generate

        generated = generate(*self.pretrained, [source], stream=self.stream, **self.strategy)
        if self.stream:
            for _, piece in generated:
                click.echo(piece, nl=False)
            click.echo()
            return
        hypotheses = generated[0].hypotheses
        for one in hypotheses:
            score = f"{one.score:.3f}  " if len(hypotheses) > 1 else ""
            click.echo(score + self.finish(one.text))


def parse_facts(text):
    """The facts of ``key=value;key=value`` as a dict."""
    from minisora.corpus.source import parse_source

    facts, _ = parse_source(f"{text}|")
    if not facts:
        raise click.UsageError(f"--context expects facts written key=value;key=value, got {text!r}")
    return facts


def source_of(facts, questions):
    """What the model reads to answer the last of the questions, given those before it and the facts.

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


def converse(speaker, facts, turns):
    """Ask and answer until an empty line or the end of the input; an unusable question does not end it."""
    questions = []
    while (question := read_question()).strip():
        questions = [*questions, question][-turns:]
        try:
            questions = without_oldest(speaker.pretrained, facts, questions)
            speaker.answer(source_of(facts, questions))
        except ValueError as error:
            click.echo(f"minisora: {error}", err=True)
            questions.pop()
