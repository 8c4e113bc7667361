"""The figure of rates, with a limit."""

import matplotlib as mpl
import pytest

from minisora.plotting import plot_rates, png


def test_a_bar_for_each_label_from_top_to_bottom_and_the_limit_as_a_line():
    before = dict(mpl.rcParams)
    figure = plot_rates({"one": {"a": 3.0, "b": 11.0}, "two": {"c": 5.0}}, "GFLOP/s", {"one": ("sgemm", 13.0)})
    first, second = figure.axes
    assert [bar.get_width() for bar in first.patches] == [3.0, 11.0]
    assert [label.get_text() for label in first.get_yticklabels()] == ["a", "b"] and first.yaxis_inverted()
    assert [text.get_text() for text in first.texts] == ["3", "11"]
    assert first.lines[0].get_xdata()[0] == 13.0 and first.get_xlabel() == "GFLOP/s; dashed: sgemm, 13"
    assert first.get_xlim()[1] > 13.0 and not second.lines and second.get_xlabel() == "GFLOP/s"
    assert [axes.get_title() for axes in (first, second)] == ["one", "two"]
    assert figure._repr_png_() == png(figure) and dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ({}, "at least one panel is expected, got none"),
        ({"one": {"a": 1.0}}, "is expected of one of one, got one of other"),
    ],
)
def test_a_limit_without_a_panel_is_refused(panels, message):
    with pytest.raises(ValueError, match=message):
        plot_rates(panels, "GFLOP/s", {"other": ("x", 1.0)})
