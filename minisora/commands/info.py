"""``minisora info``: what is installed, and what a model looks like."""

import click

from minisora.commands.chat import model_name
from minisora.commands.output import json_option, print_json

QUESTION = "今天天气怎么样？"


@click.command()
@click.option("--mermaid", is_flag=True, help="Draw a model's data flow, with the shapes of a real question.")
@click.option("--model", "name", help="What --mermaid draws: a name or a folder.", show_default=True, **model_name)
@json_option
def command(mermaid, name, as_json):
    """Show versions, backends and threads, or a model's data flow as a Mermaid flowchart."""
    if mermaid and as_json:
        raise click.UsageError("--mermaid and --json exclude each other")
    if mermaid:
        click.echo(draw(name))
        return
    from minisora import info

    found = info.collect()
    if as_json:
        print_json(found)
    else:
        click.echo(info.table(found))


def draw(name):
    """The flowchart of a model that reads the question and writes its answer."""
    import numpy as np

    from minisora.checkpoint import load
    from minisora.generation import greedy
    from minisora.mermaid import flowchart

    model, tokenizer, _ = load(name)
    source_ids = tokenizer.encode(QUESTION, return_tensors="np")
    (answer,) = greedy(model, source_ids, max_len=model.config.max_len - 1)  # bos takes one place
    return flowchart(model, source_ids, np.array([[model.config.bos_id, *answer]]))
