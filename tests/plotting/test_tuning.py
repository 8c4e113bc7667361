"""The figure of a search."""

import matplotlib as mpl
import numpy as np

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
    figure.canvas.draw()
    assert dict(mpl.rcParams) == before
