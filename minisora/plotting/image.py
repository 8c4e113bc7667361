"""Figures as files."""

from io import BytesIO


def png(figure, dpi=120):
    """Return a figure as the bytes of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def svg(figure):
    """Return a figure as the bytes of an SVG file, with letters as outlines and without the date."""
    from matplotlib import rc_context

    buffer = BytesIO()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "minisora"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
