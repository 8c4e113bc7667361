"""Bars of probabilities, side by side."""

import matplotlib as mpl
import pytest

from minisora.plotting import plot_distributions
from minisora.plotting.image import png


def test_a_panel_for_each_title_and_a_bar_for_each_token():
    before = dict(mpl.rcParams)
    figure = plot_distributions({"all": [0.9, 0.0996, 0.0004], "two": [0.625, 0.375, 0.0]}, ["晴", "$x$", " "])
    first, second = figure.axes
    assert [axes.get_title() for axes in (first, second)] == ["all", "two"]
    assert [bar.get_width() for bar in second.patches] == [0.625, 0.375, 0.0]
    assert [label.get_text() for label in first.get_yticklabels()] == ["晴", "$x$", "␣"]
    assert [text.get_text() for text in first.texts] == ["0.90", "0.10", "4e-4"]
    assert [text.get_text() for text in second.texts] == ["0.62", "0.38", ""]
    assert first.get_xlim() == second.get_xlim()
    assert first.yaxis_inverted()  # the first token on top
    assert png(figure).startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("probabilities", [[0.5], [0.5, 1.5], [0.5, float("nan")], [-0.1, 0.5]])
def test_what_is_no_distribution_is_refused(probabilities):
    with pytest.raises(ValueError, match=r"2 probabilities in \[0, 1\] are expected.* in 'title'"):
        plot_distributions({"title": probabilities}, ["晴", "雨"])
