"""The option ``--layer KIND=FILE.py:CLASS`` of the commands that build or load a model."""

import click

layer_option = click.option(
    "--layer",
    "own",
    multiple=True,
    metavar="KIND=FILE.py:CLASS",
    help="Your own layer in the place of ours: attention, feed_forward, norm or activation; may be repeated. "
    "FILE.py is executed. Check it first: minisora gradcheck FILE.py:CLASS --as KIND.",
)


def own_layers(given):
    """The classes of the options, by kind; None where there are none."""
    if not given:
        return None
    from minisora.gradcheck.own_layer import load_class
    from minisora.layers.factory import LayerFactory

    layers = {}
    for option in given:
        kind, equals, spec = option.partition("=")
        if not equals or kind not in LayerFactory.NAMES:
            kinds = ", ".join(LayerFactory.NAMES)
            raise click.UsageError(f"--layer expects KIND=FILE.py:CLASS with one of {kinds} as KIND, got {option!r}")
        if kind in layers:
            raise click.UsageError(f"--layer expects one class for each kind, got two for {kind}")
        layers[kind] = load_class(spec)
    return layers
