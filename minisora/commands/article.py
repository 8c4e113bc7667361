"""``minisora article``: the article claim by claim, and its example question with this model's numbers."""

import click

from minisora.article import ENTRIES, SECTIONS, VERDICTS
from minisora.commands.chat import model_name
from minisora.commands.info import QUESTION
from minisora.commands.output import json_option, print_json


@click.command()
@click.option("--section", type=click.Choice(SECTIONS), help="One section alone.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of what is printed.")
@click.option("--markdown", is_flag=True, help="The table of the README, in either language.")
@click.option("--walk", is_flag=True, help="Section 4.5 with real numbers, computed now.")
@click.option("--model", "name", help="What --walk asks: a name or a folder.", show_default=True, **model_name)
@json_option
def command(section, lang, markdown, walk, name, as_json):
    """Print every part, formula and claim of the article: its verdict, where it is here, and why."""
    if markdown and (as_json or walk):
        raise click.UsageError(f"--markdown and {'--json' if as_json else '--walk'} exclude each other")
    if walk and section:
        raise click.UsageError("--walk and --section exclude each other")
    if walk:
        show_walk(name, lang, as_json)
        return
    entries = [entry for entry in ENTRIES if section in (None, entry.section)]
    if as_json:
        titles = {key: dict(zip(("en", "zh"), SECTIONS[key])) for key in dict.fromkeys(e.section for e in entries)}
        print_json({"sections": titles, "verdicts": list(VERDICTS), "entries": [e._asdict() for e in entries]})
        return
    from minisora.commands import article_table

    click.echo((article_table.markdown if markdown else article_table.table)(entries, lang))


def show_walk(name, lang, as_json):
    """Send the article's question through a model, and print what happens."""
    from minisora.checkpoint import load
    from minisora.commands.article_walk import as_dict, text
    from minisora.walk import walk

    model, source, target = load(name)
    found = walk(model, source.encode(QUESTION))
    if as_json:
        print_json(as_dict(found, QUESTION, source, target))
    else:
        click.echo(text(found, QUESTION, source, target, lang))
