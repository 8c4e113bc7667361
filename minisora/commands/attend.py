"""``minisora attend``: what attention looks at behind an answer, and the gradients."""

from pathlib import Path

import click

from minisora.commands.chat import model_name, parse_facts, source_of
from minisora.commands.options import device_option
from minisora.commands.own_layers import layer_option, own_layers

file = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command()
@click.argument("question")
@click.option("--model", "name", help="A bundled model or the folder of one.", show_default=True, **model_name)
@click.option("--context", metavar="KEY=VALUE;...", help="Facts to answer from: 城市=北京;日期=明天;天气=小雨")
@click.option("--answer", metavar="TEXT", help="What the model is to say. Default: what it says.")
@click.option("--html", type=file, help="Write the explorer to a file: one page that needs no network.")
@click.option("--png", type=file, help="Draw the weights, layers by heads, into a file.")
@click.option("--svg", type=file, help="The same as SVG.")
@click.option(
    "--kind",
    type=click.Choice(["cross", "encoder", "decoder", "copy"]),
    default="cross",
    show_default=True,
    help="What --png and --svg draw.",
)
@click.option("--gradients/--no-gradients", default=True, show_default=True, help="Of every token's loss, in the page.")
@device_option
@layer_option
def command(question, name, context, answer, html, png, svg, kind, gradients, device, own):
    """Answer QUESTION, and show where attention looked meanwhile.

    A table is printed: of every token its probability, and where the last cross-attention looked most.
    """
    if not question.strip():
        raise click.UsageError("expected a question, got an empty text")
    for path in (html, png, svg):
        if path is not None and not path.parent.is_dir():
            raise click.UsageError(f"expected a file in a folder that is there, got {path}")
    facts = None if context is None else parse_facts(context)
    from minisora.checkpoint import load
    from minisora.plotting.explorer import attention_explorer

    model, source_tokenizer, target_tokenizer = load(name, layers=own_layers(own))
    model.to(device)
    explorer = attention_explorer(
        model,
        source_tokenizer,
        source_of(facts, [question]),
        target_tokenizer=target_tokenizer,
        answer=answer,
        gradients=gradients and html is not None,
    )
    if html is not None:
        explorer.save(html)
    draw(explorer, kind, png, svg)
    click.echo(str(explorer))


def draw(explorer, kind, png, svg):
    """Write the figures that are wanted."""
    if png is None and svg is None:
        return
    from minisora.files import replace_file
    from minisora.plotting import image

    figure = explorer.figure(kind)
    for path, content in ((png, image.png), (svg, image.svg)):
        if path is not None:
            replace_file(path, content(figure))
