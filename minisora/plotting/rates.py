"""How fast several implementations of one thing are: a bar for each, and what the machine can do as a line."""

from minisora.plotting.canvas import canvas
from minisora.plotting.font import chinese_font


@chinese_font()
def plot_rates(panels, x_label, limits=None):
    """Return a figure with a panel for each title, and in it a bar with its number for each label, from top to bottom.

    Parameters
    ----------
    panels : dict of str to dict of str to float
        By title and label, a rate: larger is faster.
    x_label : str
    limits : dict of str to (str, float), optional
        By title, the name and the rate of what no bar can pass by much: a dashed line.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Where there is no panel, or a limit without one.
    """
    limits = limits or {}
    if not panels:
        raise ValueError("at least one panel is expected, got none")
    if unknown := sorted(limits.keys() - panels.keys()):
        raise ValueError(f"a limit is expected of one of {', '.join(panels)}, got one of {unknown[0]}")
    figure = canvas(4.6 * len(panels), 1 + 0.3 * max(map(len, panels.values())))
    for axes, (title, rates) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        bars = axes.barh(list(rates), list(rates.values()))
        axes.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
        axes.invert_yaxis()
        axes.set_title(title, fontsize=9)
        axes.set_xlabel(x_label)
        axes.tick_params(axis="y", length=0)
        highest = max(rates.values())
        if title in limits:
            name, limit = limits[title]
            axes.axvline(limit, linestyle="--", color="dimgray")
            axes.set_xlabel(f"{x_label}; dashed: {name}, {limit:.3g}")
            highest = max(highest, limit)
        axes.set_xlim(0, 1.15 * highest)
    return figure
