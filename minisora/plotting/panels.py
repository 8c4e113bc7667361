"""Maps (T, S) as panels of a figure: cells, labels of tokens, colours."""

from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from minisora.plotting.canvas import POINTS, canvas, fit, room_for, width_of
from minisora.plotting.font import printable

HIDDEN = "#e4e4e4"  # the colour of cells that a query does not see
WIDEST = 14.0  # inches of a figure
READABLE = 24  # points of a cell in which a number can be read


class Colours(NamedTuple):
    """How numbers become colours: from 0 up, or on both sides of 0."""

    name: str
    low: float
    high: float


class Panel(NamedTuple):
    """One map: numbers, what is hidden of it, how it is called, and its colours."""

    matrix: Any  # (T, S)
    hidden: Any  # (T, S) bool
    title: str
    colours: Colours


def rising(matrices):
    """Return `Colours` from 0 to the largest number of all."""
    return Colours("Blues", 0.0, max(float(np.max(each)) for each in matrices) or 1.0)


def diverging(matrices):
    """Return `Colours` with white at 0, as far to both sides as the largest finite magnitude of all."""
    largest = max(float(np.abs(each[np.isfinite(each)]).max(initial=0)) for each in matrices) or 1.0
    return Colours("RdBu_r", -largest, largest)


def draw_rows(rows, source, target, *, values=None, names=("key", "query")):
    """Return a figure with rows of panels, all of one shape, and a thin bar for panels that share their colours.

    Parameters
    ----------
    rows : list of list of Panel
        The last row may be shorter.
    source, target : list of str
        S and T labels.
    values : bool, optional
        Whether to write the numbers into the cells; None: where they can be read.
    names : (str, str)
        What the labels below and beside the maps are.
    """
    source, target = list(map(printable, source)), list(map(printable, target))
    columns = max(map(len, rows))
    cells = fit(max(len(source), len(target)), min(6.0, WIDEST / columns))
    figure = canvas(*_size(len(rows), columns, source, target, cells), layout="compressed")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    images = []
    for (row, column), axes in np.ndenumerate(grid):
        if column >= len(rows[row]):
            axes.set_visible(False)
            continue
        images.append(_draw(axes, rows[row][column], cells, values))
        below = row + 1 < len(rows) and column < len(rows[row + 1])
        _label(axes, [] if below else source, target if column == 0 else [], cells, names)
    _bars(figure, rows, grid, images)
    return figure


def _size(rows, columns, source, target, cells):
    """Inches of a figure: maps, labels, titles, bar."""
    below = room_for(source, cells) if _upright(source, cells) else cells.font / POINTS
    width = columns * (len(source) * cells.inches + 0.15) + room_for(target, cells) + 1.0
    height = rows * (len(target) * cells.inches + 0.35) + below + 0.4
    return max(width, 2.6), max(height, 1.8)


def _upright(labels, cells):
    """Whether labels below a map must stand upright, because one is wider than a cell."""
    return max(map(width_of, labels)) * cells.font > 1.05 * cells.inches * cells.every * POINTS


def _draw(axes, panel, cells, values):
    """Draw one map, its numbers where they can be read, and hatch the rows that see nothing."""
    colour_map = mpl.colormaps[panel.colours.name].with_extremes(bad=HIDDEN)
    masked = np.ma.masked_where(panel.hidden, panel.matrix)
    norm = Normalize(panel.colours.low, panel.colours.high)
    image = axes.imshow(masked, cmap=colour_map, norm=norm, interpolation="nearest")
    axes.set_title(panel.title, fontsize=9, pad=4)
    for row in np.flatnonzero(panel.hidden.all(axis=-1)):
        blind = Rectangle((-0.5, row - 0.5), masked.shape[1], 1, fill=False, hatch="////", edgecolor="darkgray", lw=0)
        axes.add_patch(blind)
    if values or (values is None and cells.inches * POINTS >= READABLE):
        _write(axes, masked, image, cells)
    return image


def _write(axes, masked, image, cells):
    """Write each number that is not hidden into its cell, dark on light and light on dark."""
    for (row, column), value in np.ma.ndenumerate(masked):
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        text = f"{value:.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:.0e}".replace("e-0", "e-")
        size = 0.24 * cells.inches * POINTS
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color="white" if dark else "black")


def _label(axes, source, target, cells, names):
    """Write the tokens on both axes, and what they are; nothing where there is no list."""
    axes.tick_params(length=0, pad=2)
    style = {"fontsize": cells.font, "parse_math": False}
    across, down = (range(0, len(labels), cells.every) for labels in (source, target))
    upright = 90 if source and _upright(source, cells) else 0
    axes.set_xticks(across, [source[i] for i in across], rotation=upright, **style)
    axes.set_yticks(down, [target[i] for i in down], **style)
    axes.set_xlabel(names[0] if source else "", fontsize=8, color="dimgray")
    axes.set_ylabel(names[1] if target else "", fontsize=8, color="dimgray")


def _bars(figure, rows, grid, images):
    """Draw a thin bar of colours beside all panels, beside each row, or beside each panel, as they share them."""
    if len({panel.colours for row in rows for panel in row}) == 1:
        groups = [(images[0], grid.ravel().tolist())]
    elif all(len({panel.colours for panel in row}) == 1 for row in rows):
        groups = [(images[i * grid.shape[1]], line.tolist()) for i, line in enumerate(grid)]
    else:
        groups = [(image, image.axes) for image in images]
    for image, axes in groups:
        bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.015, aspect=35, shrink=0.9)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7, length=2)
        bar.ax.yaxis.get_offset_text().set_fontsize(7)
