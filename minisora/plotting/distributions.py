"""Distributions over tokens, side by side: what a temperature or a filter makes of one."""

from minisora.plotting.font import chinese_font, printable


@chinese_font()
def plot_distributions(panels, tokens):
    """Return a figure with a panel for each title, and in it a bar for the probability of each token.

    All panels share one scale. A token of probability 0, which is never drawn, has no bar and no number.

    Parameters
    ----------
    panels : dict of str to array (V,)
        Probabilities by title; those of tokens that are not shown may be left out, so they need not sum to 1.
    tokens : list of str
        One for each probability, from top to bottom.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Where there is not one probability for each token, or one is not in [0, 1].
    """
    from minisora.plotting.canvas import canvas

    for title, probabilities in panels.items():
        _check(title, probabilities, len(tokens))
    tokens = [printable(token) for token in tokens]
    longest = max(max(probabilities) for probabilities in panels.values())
    figure = canvas(0.8 + 2.1 * len(panels), 0.9 + 0.26 * len(tokens))
    for axes, (title, probabilities) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items()):
        _draw(axes, probabilities, longest)
        axes.set_title(title, fontsize=10)
        axes.set_yticks(range(len(tokens)), tokens)
    return figure


def _check(title, probabilities, count):
    if len(probabilities) != count or not all(0 <= p <= 1 for p in probabilities):
        raise ValueError(
            f"{count} probabilities in [0, 1] are expected, one for each token, "
            f"got {len(probabilities)} numbers in {title!r}"
        )


def _draw(axes, probabilities, longest):
    """Draw a bar for each probability, the first on top, and its number beside it."""
    places = range(len(probabilities))
    axes.barh(places, probabilities, height=0.7)
    for place, p in zip(places, probabilities):
        axes.text(p + 0.02 * longest, place, _number(p), va="center", fontsize=8)
    axes.set_xlim(0, 1.25 * longest)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def _number(p):
    """A probability in few signs: 0.53, 4e-4, and nothing for 0."""
    if p == 0:
        return ""
    return f"{p:.2f}" if p >= 0.005 else f"{p:.0e}".replace("e-0", "e-")
