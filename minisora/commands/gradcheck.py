"""``minisora gradcheck``: hold the hand-written gradients against finite differences."""

import sys

import click

from minisora.commands.output import json_option, print_json


@click.command()
@click.option("--all", "everything", is_flag=True, help="Every layer, and the whole model.")
@click.option("--layer", "layers", multiple=True, metavar="NAME", help="One layer, such as LayerNorm; may be repeated.")
@json_option
def command(everything, layers, as_json):
    """Check the gradients of every layer, or of the layers named. Exit code 1 when one of them is wrong."""
    if everything == bool(layers):
        raise click.UsageError("expected either --all or --layer NAME")
    from minisora.gradcheck import run_checks

    def show_progress(result):
        if not as_json and sys.stderr.isatty():
            click.echo(f"\r{result.name:<60}", nl=False, err=True)

    report = run_checks(None if everything else layers, on_result=show_progress)
    if as_json:
        print_json(report.to_dict())
    else:
        show_end = "\r" + " " * 60 + "\r" if sys.stderr.isatty() else ""
        click.echo(show_end, nl=False, err=True)
        click.echo(str(report))
    if not report.passed:
        sys.exit(1)
