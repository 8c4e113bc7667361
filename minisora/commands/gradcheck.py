"""``minisora gradcheck``: hold hand-written gradients against numerical ones, ours or a student's."""

import sys

import click

from minisora.commands.output import json_option, print_json

MODES = click.Choice(["auto", "central", "complex", "directional"])
KINDS = click.Choice(["attention", "feed_forward", "norm", "activation", "linear", "embedding", "loss", "dropout"])


@click.command()
@click.argument("own", required=False, metavar="[FILE.py:CLASS]")
@click.option("--as", "kind", type=KINDS, help="What the class in FILE.py stands for.")
@click.option("--all", "everything", is_flag=True, help="Every layer, and the whole model.")
@click.option("--layer", "layers", multiple=True, metavar="NAME", help="One layer, such as LayerNorm; may be repeated.")
@click.option("--mode", type=MODES, help="How derivatives are taken; each check's own way unless given.")
@click.option("--html", metavar="FILE", help="Write the report to FILE, as a page.")
@click.option("--zoo", is_flag=True, help="The table of planted mistakes and what they cost.")
@click.option("--quiz", is_flag=True, help="Guess a hidden mistake from its loss curve and its report.")
@click.option("--seed", default=0, show_default=True, help="Of the quiz.")
@json_option
def command(own, kind, everything, layers, mode, html, zoo, quiz, seed, as_json):
    """Check the gradients of every layer, of the layers named, or of a layer of your own.

    FILE.py is executed. Its CLASS is built as minisora builds the layer that it stands for:
    minisora gradcheck my_attention.py:MyAttention --as attention. Exit code 1 when a gradient is wrong.
    """
    if [bool(own), everything, bool(layers), zoo, quiz].count(True) != 1:
        raise click.UsageError("expected one of --all, --layer NAME, FILE.py:CLASS --as KIND, --zoo and --quiz")
    if bool(own) != bool(kind):
        raise click.UsageError("FILE.py:CLASS and --as KIND go together: the class is checked as a layer of that kind")
    if quiz:
        ask(seed)
    elif zoo:
        show_zoo(as_json)
    else:
        show(run(own, kind, layers, mode, quiet=as_json), html, as_json)


def run(own, kind, layers, mode, quiet):
    """The `Report` of the checks asked for; their names pass by while they run.

    The properties of the whole model are tried too, with everything and with a layer of one's own that a model takes.
    """
    from minisora.gradcheck import Report, check_properties, named_checks
    from minisora.layers.factory import LayerFactory

    properties = []
    if own:
        from minisora.gradcheck.own_layer import checks_for, load_class

        make = load_class(own)
        checks = checks_for(kind, make)
        if kind in LayerFactory.NAMES:
            properties = check_properties(layers={kind: make})
    else:
        checks = named_checks(layers or None)
        if not layers:
            properties = check_properties()
    shown = not quiet and sys.stderr.isatty()
    results = []
    for check in checks:
        if shown:
            click.echo(f"\r{check.name:<60}", nl=False, err=True)
        results.append(check.run(**({} if mode is None else {"mode": mode})))
    if shown:
        click.echo("\r" + " " * 60 + "\r", nl=False, err=True)
    return Report(tuple(results), tuple(properties))


def show(report, html, as_json):
    """Print the report, and exit with 1 when a check failed."""
    if html is not None:
        from minisora.files import replace_file

        page = f'<!doctype html><meta charset="utf-8"><title>gradcheck</title>{report._repr_html_()}\n'
        replace_file(html, page.encode())
    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(str(report))
    if not report.passed:
        sys.exit(1)


def show_zoo(as_json):
    """Print the table of the mistakes; it takes three minutes."""
    from minisora.gradcheck.bug_zoo.table import zoo_rows, zoo_table

    rows = zoo_rows(progress_bar=not as_json)
    if as_json:
        print_json({"rows": rows})
    else:
        click.echo(zoo_table(rows))


def ask(seed):
    """Ask one question, and mark the answer."""
    from minisora.gradcheck.bug_zoo.quiz import question

    asked = question(seed)
    click.echo(asked.text)
    click.echo("\nWhich mistake is it?")
    for number, choice in enumerate(asked.choices, 1):
        click.echo(f"  {number}  {choice}")
    guess = click.prompt("number", type=click.IntRange(1, len(asked.choices)))
    verdict = "right" if guess - 1 == asked.right else "no"
    click.echo(f"{verdict}: {asked.choices[asked.right]}")
