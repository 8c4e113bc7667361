"""The same map several times, side by side: as a training goes on, with a head and without it, of two models."""

from minisora.plotting.font import chinese_font
from minisora.plotting.matrices import check_weights, labels_of_axes, matrices_by_layer
from minisora.plotting.panels import Panel, draw_rows, rising

IN_A_ROW = 4


@chinese_font()
def plot_snapshots(maps, source=None, target=None, *, values=None):
    """Return a figure with one map (T, S) under each title, all with one scale of colours.

    Parameters
    ----------
    maps : dict of str to array (T, S)
        By title, attention weights: from 0 to 1, a row's sum at most 1.
    source, target, values
        As for `minisora.plotting.plot_attention`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Where there is no map, or one that is not as above, or of another shape than the first.

    Examples
    --------
    >>> figure = plot_snapshots({"step 0": [[0.5, 0.5]], "step 100": [[0.9, 0.1]]}, "天气", "今")
    """
    heads = matrices_by_layer(list(maps.values()))
    if several := [title for title, array in zip(maps, heads, strict=True) if len(array) > 1]:
        raise ValueError(f"one map (T, S) under each title is expected, got {len(heads[0])} heads under {several[0]!r}")
    check_weights(heads)
    matrices = [array[0] for array in heads]
    source, target = labels_of_axes(source, target, matrices[0].shape)
    colours = rising(matrices)
    panels = [Panel(matrix, matrix == 0, title, colours) for title, matrix in zip(maps, matrices, strict=True)]
    rows = [panels[i : i + IN_A_ROW] for i in range(0, len(panels), IN_A_ROW)]
    return draw_rows(rows, source, target, values=values)
