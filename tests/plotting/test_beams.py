"""The tree of a beam search as a figure."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from minisora.generation import Generated, Hypothesis
from minisora.generation.beam_tree import BeamTree
from minisora.plotting import plot_beam_tree
from minisora.plotting.beams import BEST, OTHER, PRUNED
from minisora.plotting.image import png

TOKENS = ["<pad>", "<s>", "</s>", "今", "$天$", "气\n", "龘"]
TOKENIZER = SimpleNamespace(tokens=TOKENS, bos_id=1)


def searched():
    """今$天$ ends best; 气 ends too; 龘, below 今, leads nowhere."""
    tree = BeamTree(2, 1.0, eos_id=2)
    tree.advance(np.log([[0.6, 0.3, 0.1]]), np.array([[3, 5, 6]]), 0)
    tree.advance(np.log([[0.5, 0.3, 0.1], [0.9, 0.05, 0.01]]), np.array([[4, 6, 5], [2, 3, 4]]), 0)
    tree.advance(np.log([[0.9, 0.05, 0.01], [0.4, 0.3, 0.1]]), np.array([[2, 3, 5], [3, 4, 5]]), 0)
    return tree


def texts(figure):
    """The colour of each text, where it is drawn first."""
    found = {}
    for text in figure.axes[0].texts:
        found.setdefault(text.get_text(), to_hex(text.get_color()))
    return found


def test_every_hypothesis_is_drawn_and_the_best_is_blue():
    tree = searched()
    figure = plot_beam_tree(tree.nodes, TOKENIZER)
    found = texts(figure)
    winner = tree.nodes[tree.best(1)[0]]
    assert found["<s>"] == found["$天$"] == found[f"{winner.score:.2f}"] == BEST
    assert found["气↵"] == to_hex(OTHER) and found["[U+9F98]"] == PRUNED
    assert len(figure.axes[0].lines) == len(tree.nodes)
    assert png(figure).startswith(b"\x89PNG")


def test_lines_are_as_wide_as_tokens_are_probable_and_lead_from_parent_to_child():
    tree = searched()
    lines = plot_beam_tree(tree.nodes, TOKENIZER).axes[0].lines
    for node, line in zip(tree.nodes, lines, strict=True):
        before = 0 if node.parent < 0 else tree.nodes[node.parent].total
        assert line.get_linewidth() == pytest.approx(0.4 + 3.6 * np.exp(node.total - before))
        assert list(line.get_xdata()) == [node.step - 1, node.step]
        if node.parent >= 0:
            assert line.get_ydata()[0] == lines[node.parent].get_ydata()[1]


def test_no_two_hypotheses_of_a_step_stand_at_one_place():
    tree = searched()
    lines = plot_beam_tree(tree.nodes, TOKENIZER).axes[0].lines
    places = [(line.get_xdata()[1], line.get_ydata()[1]) for line in lines]
    assert len(set(places)) == len(places)
    leaves = sorted(
        y for (x, y), i in zip(places, range(len(places)), strict=True) if not any(n.parent == i for n in tree.nodes)
    )
    assert leaves == list(range(len(leaves)))


def test_what_led_nowhere_can_be_left_out():
    tree = searched()
    generated = Generated([Hypothesis("今$天$", [3, 4], 0.0, None)], tree.nodes)
    found = texts(plot_beam_tree(generated, TOKENIZER, pruned=False))
    assert "[U+9F98]" not in found and {"今", "$天$", "气↵", "</s>"} <= found.keys()


def test_a_search_that_was_cut_has_the_hypotheses_that_lived():
    tree = BeamTree(2, 1.0, eos_id=2)
    tree.advance(np.log([[0.6, 0.3]]), np.array([[3, 5]]), 0)
    found = texts(plot_beam_tree(tree.nodes, TOKENIZER))
    assert found["今"] == BEST and found["气↵"] == to_hex(OTHER)


@pytest.mark.parametrize("nothing", [[], None, Generated([], None)])
def test_a_tree_is_needed(nothing):
    with pytest.raises(ValueError, match="the nodes of a beam search are expected, got none"):
        plot_beam_tree(nothing, TOKENIZER)
