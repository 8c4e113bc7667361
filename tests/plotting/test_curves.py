"""The figure of trainings side by side."""

import matplotlib as mpl

from minisora.plotting import plot_curves, png


def test_a_panel_for_each_title_and_a_curve_for_each_label():
    before = dict(mpl.rcParams)
    figure = plot_curves({"one": {"a": [3.0, 2.0], "b": [1.0, 0.5]}, "other": {"c": [2.0, 2.5]}}, 50, "steps", "loss")
    first, second = figure.axes
    assert [axes.get_title() for axes in (first, second)] == ["one", "other"]
    assert [line.get_label() for line in first.lines] == ["a", "b"]
    assert list(first.lines[1].get_xdata()) == [50, 100] and list(first.lines[1].get_ydata()) == [1.0, 0.5]
    assert first.get_ylabel() == "loss" and second.get_xlabel() == "steps" and second.get_yscale() == "log"
    assert figure._repr_png_() == png(figure) and png(figure).startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == before
