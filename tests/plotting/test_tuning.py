"""The figure of a search."""

import matplotlib as mpl
import numpy as np

from minisora.plotting.image import png
from minisora.plotting.tuning import plot_trials
from minisora.training.tuning import Trial


def test_every_trial_is_a_point_in_every_panel():
    before = dict(mpl.rcParams)
    settings = ({"learning_rate": 10.0**-i, "batch_tokens": 2**i, "dropout": i / 10} for i in (2, 3, 4))
    trials = [
        Trial(i, each, loss, 0.5) for i, (each, loss) in enumerate(zip(settings, (3.0, 1.0, np.inf), strict=True))
    ]
    figure = plot_trials(trials)
    panels = figure.axes[:3]
    assert [axes.get_xlabel() for axes in panels] == ["learning rate", "batch tokens", "dropout"]
    assert [axes.get_xscale() for axes in panels] == ["log", "log", "linear"]
    points, best = panels[1].collections
    np.testing.assert_array_equal(points.get_offsets()[:2], [[4, 3.0], [8, 1.0]])
    np.testing.assert_array_equal(best.get_offsets(), [[8, 1.0]])
    assert panels[1].lines[0].get_xdata() == [16]
    figure.canvas.draw()
    assert dict(mpl.rcParams) == before


def test_no_trial_may_have_a_finite_loss():
    settings = {"learning_rate": 0.01, "batch_tokens": 512, "dropout": 0.1}
    figure = plot_trials([Trial(0, settings, np.inf, 0.0)])
    assert figure.axes[0].lines[0].get_xdata() == [0.01]
    assert png(figure).startswith(b"\x89PNG")
