"""The same map several times."""

import matplotlib as mpl
import numpy as np
import pytest

from minisora.plotting import plot_snapshots

MAPS = {f"step {step}": np.full((3, 5), step / 1000) for step in (0, 50, 150, 190, 200)}


def panels_of(figure):
    return [axes for axes in figure.axes if axes.images and axes.get_visible()]


def test_a_panel_for_each_title_in_order_with_one_scale():
    before = dict(mpl.rcParams)
    figure = plot_snapshots(MAPS, "今天天气好", "晴朗。")
    panels = panels_of(figure)
    assert [axes.get_title() for axes in panels] == list(MAPS)
    assert [label.get_text() for label in panels[4].get_xticklabels()] == list("今天天气好")
    assert [label.get_text() for label in panels[0].get_yticklabels()] == list("晴朗。")
    for axes, matrix in zip(panels, MAPS.values(), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array().filled(0), matrix)
        assert axes.images[0].get_clim() == (0, 0.2)
    assert figure._repr_png_().startswith(b"\x89PNG") and dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({}, "got an empty list"),
        ({"a": np.full((2, 3, 5), 0.1)}, r"one map \(T, S\) under each title is expected, got 2 heads under 'a'"),
        ({"a": np.full((3, 5), 0.1), "b": np.full((3, 7), 0.1)}, "expected to have one shape"),
        ({"a": np.full((3, 5), 0.3)}, "a row that sums to 1.5"),
    ],
)
def test_what_is_no_map_is_refused(maps, message):
    with pytest.raises(ValueError, match=message):
        plot_snapshots(maps)
