"""Curves of trainings, side by side: one panel for each thing that is compared."""

from minisora.plotting.canvas import canvas
from minisora.plotting.font import chinese_font


@chinese_font()
def plot_curves(panels, every, x_label, y_label):
    """Return a figure with a panel for each title, and in it a curve for each label, on a logarithmic axis.

    Parameters
    ----------
    panels : dict of str to dict of str to list of float
        By title and label, the values after ``every``, 2 ``every``, ... steps.
    every : int
    x_label, y_label : str
    """
    figure = canvas(4.2 * len(panels), 3.6)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for place, (title, curves) in zip(axes, panels.items(), strict=True):
        for label, values in curves.items():
            place.plot([every * (number + 1) for number in range(len(values))], values, label=label)
        place.set_title(title, fontsize=10)
        place.set_xlabel(x_label)
        place.set_yscale("log")
        place.grid(alpha=0.3)
        place.legend(fontsize=8)
    axes[0].set_ylabel(y_label)
    return figure
