"""Figures as files."""

from io import BytesIO


def png(figure, dpi=120):
    """Return a figure as the bytes of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
