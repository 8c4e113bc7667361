"""The tree of a beam search: every hypothesis of every step, and which one won."""

from math import exp

from minisora.generation import Generated
from minisora.plotting.canvas import POINTS, canvas, width_of
from minisora.plotting.font import chinese_font, printable

FONT = 9.0  # points
ROW, GAP = 0.27, 0.42  # inches between two hypotheses, and between a token and the next
BEST, OTHER, PRUNED = "#08519c", "black", "#9a9a9a"


@chinese_font()
def plot_beam_tree(generated, tokenizer, *, pruned=True):
    """Return a figure of the tree of a beam search, from left to right.

    The wider a line, the more probable the token to its right. Beside each hypothesis that was finished stands its
    score, log-probability / length penalty. Blue is the best one; grey is what led to no finished hypothesis.

    Parameters
    ----------
    generated : Generated or list of BeamNode
        ``generate(..., beams=4, return_beams=True)[0]``, or the nodes of a `BeamTree`.
    tokenizer : SoraTokenizer
        Of the target.
    pruned : bool
        Whether to draw what led nowhere.
    """
    nodes = generated.beams if isinstance(generated, Generated) else generated
    if not nodes:
        raise ValueError("the nodes of a beam search are expected, got none: generate(..., beams=4, return_beams=True)")
    children, ends = _children(nodes), _ends(nodes)
    kept = {place for end in ends for place in _path(nodes, end)}
    best = set(_path(nodes, max(ends, key=lambda place: nodes[place].score)))
    drawn = [place for place in range(len(nodes)) if pruned or place in kept]
    labels = {place: printable(tokenizer.tokens[nodes[place].token]) for place in drawn}
    heights = _heights(children, set(drawn))
    column = max(map(width_of, labels.values())) * FONT / POINTS + GAP
    steps = max(nodes[place].step for place in drawn)
    figure = canvas((steps + 1.3) * column, max(1.6, (max(heights.values()) + 1) * ROW + 0.3))
    axes = figure.subplots()
    for place in drawn:
        colour = BEST if place in best else OTHER if place in kept else PRUNED
        _draw(axes, nodes, place, heights, labels[place], colour)
        if place in ends:
            axes.annotate(
                f"{nodes[place].score:.2f}", (nodes[place].step, heights[place]), (12, 0), textcoords="offset points",
                va="center", fontsize=7, color=colour,
            )  # fmt: skip
    _write(axes, 0, heights[-1], printable(tokenizer.tokens[tokenizer.bos_id]), BEST)
    axes.set(xlim=(-0.5, steps + 1), ylim=(max(heights.values()) + 0.6, -0.6))
    axes.set_axis_off()
    return figure


def _children(nodes):
    """Places of each node's children; of the empty hypothesis, -1."""
    children = {place: [] for place in range(-1, len(nodes))}
    for place, node in enumerate(nodes):
        children[node.parent].append(place)
    return children


def _ends(nodes):
    """Places of the hypotheses that were finished; where none was, of those that lived at last."""
    ended = {place for place, node in enumerate(nodes) if node.ended}
    last = max(node.step for node in nodes)
    return ended or {place for place, node in enumerate(nodes) if node.step == last}


def _path(nodes, place):
    """Yield the places from a node back to the first."""
    while place >= 0:
        yield place
        place = nodes[place].parent


def _heights(children, drawn):
    """Return each node's height: leaves one below the other, in the order of the tree, parents amid their children."""
    heights, leaves = {}, 0
    order, stack = [], [-1]
    while stack:
        place = stack.pop()
        order.append(place)
        stack += [child for child in reversed(children[place]) if child in drawn]
    for place in order:
        if not any(child in drawn for child in children[place]):
            heights[place] = float(leaves)
            leaves += 1
    for place in reversed(order):
        below = [heights[child] for child in children[place] if child in drawn]
        if below:
            heights[place] = (below[0] + below[-1]) / 2
    return heights


def _draw(axes, nodes, place, heights, label, colour):
    """Draw a token and the line from its parent, as wide as it is probable."""
    node = nodes[place]
    before = 0.0 if node.parent < 0 else nodes[node.parent].total
    width = 0.4 + 3.6 * exp(node.total - before)
    axes.plot(
        [node.step - 1, node.step], [heights[node.parent], heights[place]], color=colour, linewidth=width, alpha=0.55,
        solid_capstyle="round", zorder=1,
    )  # fmt: skip
    _write(axes, node.step, heights[place], label, colour)


def _write(axes, step, height, label, colour):
    """Write a token, on white, above the lines."""
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
    style = {"ha": "center", "va": "center", "fontsize": FONT, "color": colour, "bbox": box, "zorder": 2}
    axes.text(step, height, label, parse_math=False, **style)
