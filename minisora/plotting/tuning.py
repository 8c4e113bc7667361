"""What a search over hyperparameters found: one panel for each, every trial a point."""

from math import isfinite

from matplotlib.ticker import NullFormatter

from minisora.plotting.canvas import canvas

LOGARITHMIC = {"learning_rate": 10, "batch_tokens": 2}  # and the base of the axis


def plot_trials(trials):
    """Return a figure with the loss on dev against each hyperparameter; the best trial is marked.

    Trials whose loss is not finite are crosses at the upper edge.

    Parameters
    ----------
    trials : list of minisora.training.tuning.Trial
        At least one.
    """
    names = list(trials[0].settings)
    figure = canvas(3.4 * len(names), 3.2)
    finite = [trial for trial in trials if isfinite(trial.loss)]
    others = [trial for trial in trials if not isfinite(trial.loss)]
    losses, numbers = [trial.loss for trial in finite], [trial.number for trial in finite]
    colours = {"vmin": 0, "vmax": max(1, len(trials) - 1)}
    for axes, name in zip(figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True):
        points = axes.scatter([trial.settings[name] for trial in finite], losses, c=numbers, **colours)
        for best in sorted(finite, key=lambda trial: trial.loss)[:1]:
            axes.scatter(best.settings[name], best.loss, s=160, facecolors="none", edgecolors="crimson", label="best")
        if others:
            places, edge = [trial.settings[name] for trial in others], axes.get_xaxis_transform()
            axes.plot(
                places, [1] * len(places), "x", color="crimson", clip_on=False, transform=edge, label="not finite"
            )
        axes.set_xlabel(name.replace("_", " "))
        if name in LOGARITHMIC:
            axes.set_xscale("log", base=LOGARITHMIC[name])
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("loss on dev, nats per token")
    figure.axes[0].legend()
    figure.colorbar(points, ax=figure.axes, label="trial")
    return figure
