"""``minisora download``: a model from the hub, or the bundled one, into a folder."""

from pathlib import Path

import click

from minisora.commands.output import json_option, print_json
from minisora.commands.own_layers import layer_option, own_layers


@click.command()
@click.argument("name")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new folder.")
@click.option("--revision", help="Branch, tag or commit on the hub.")
@layer_option
@json_option
def command(name, out, revision, own, as_json):
    """Check the model NAME and put it into a folder.

    NAME is hub:owner/name, which needs the extra hub, a bundled model such as sora/sora-base, or a folder.
    """
    from minisora.checkpoint import download

    parameters = download(name, out, revision=revision, layers=own_layers(own)).model.num_parameters()
    if as_json:
        print_json({"folder": str(out), "parameters": parameters})
    else:
        click.echo(f"{out}: {parameters:,} parameters")
