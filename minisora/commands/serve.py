"""``minisora serve``: a page to talk to a model."""

from pathlib import Path

import click

from minisora.commands.chat import model_name
from minisora.commands.options import device_option
from minisora.commands.own_layers import layer_option, own_layers


@click.command()
@click.option("--model", "name", help="A bundled model or the folder of one.", show_default=True, **model_name)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@click.option(
    "--allow-host", "others", multiple=True, metavar="NAME", help="A further name of this server; may be repeated."
)
@device_option
@layer_option
def command(name, host, port, others, device, own):
    """Serve a page on which to ask a model, in Chinese or English, until Ctrl-C.

    Needs the extra serve. Nothing of what is asked is stored or logged.
    """
    try:
        from minisora.serving.app import make_app
        from minisora.serving.guard import Names, is_loopback
        from minisora.serving.run import address_of, listen, serve
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("starlette", "uvicorn"):
            raise
        raise click.UsageError(f"serve needs {error.name}: pip install 'minisora[serve]'") from None
    from minisora.checkpoint import load

    pretrained = load(name, layers=own_layers(own))
    pretrained.model.to(device)
    with listen(host, port) as listener:
        shown = Path(name).name if Path(name).is_dir() else name  # where a folder lies is nobody's business
        app = make_app(pretrained, shown, names=Names(host, others))
        if not is_loopback(host):
            click.echo(f"minisora: {host} can be reached from other machines, and anyone there may ask", err=True)
        click.echo(f"{name}: {address_of(listener)} (Ctrl-C ends it)")
        serve(app, listener)
