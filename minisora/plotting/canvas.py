"""Figures that a notebook shows without any setting, and the sizes of maps on them."""

from typing import NamedTuple

from matplotlib.figure import Figure

from minisora.plotting.image import png

POINTS = 72  # an inch


class Canvas(Figure):
    """A matplotlib figure that a notebook shows as a picture, with or without ``%matplotlib inline``."""

    def _repr_png_(self):
        return png(self)


class Cells(NamedTuple):
    """How large a map's cells and its labels are."""

    inches: float  # a cell's side
    font: float  # points
    every: int  # each label, or only every second, third, ...


def canvas(width, height, layout="constrained"):
    """Return an empty figure of this size in inches, whose panels make room for their labels.

    With the layout "compressed", panels of cells that are squares stand close together.
    """
    return Canvas(figsize=(width, height), layout=layout)


def fit(longest, inches, largest=0.45):
    """Return the `Cells` of a map whose longer side has this many cells, in about this many inches."""
    side = min(largest, max(inches / longest, 0.02))
    font = max(5.0, min(10.0, 0.72 * side * POINTS))
    return Cells(side, font, max(1, round(0.5 + font / (side * POINTS))))


def width_of(label):
    """Return about how wide a label is, in widths of a Chinese character."""
    return sum(1.0 if ord(character) > 0x2E80 else 0.6 for character in label)


def room_for(labels, cells):
    """Return how many inches the longest label takes."""
    return max(map(width_of, labels), default=0) * cells.font / POINTS
