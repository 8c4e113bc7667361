"""The tree of a beam search, step by step by hand."""

import numpy as np

from minisora.generation import BeamTree, length_penalty

EOS = 2


def test_the_length_penalty_by_hand():
    assert length_penalty(1, 0.6) == 1
    assert length_penalty(7, 1.0) == 2
    assert length_penalty(13, 2.0) == 9
    assert length_penalty(100, 0.0) == 1


def test_two_beams_by_hand():
    """The second hypothesis ends, a child of the first takes its place, and with the second end the search is over."""
    tree = BeamTree(2, 1.0, EOS)
    log = np.log
    gains = log([[0.5, 0.3, 0.2], [0.9, 0.1, 0.1]])  # only the first row is a hypothesis at the beginning
    assert tree.advance(gains, np.array([[7, 8, EOS], [9, 9, 9]]), first_row=6) == [(6, 7), (6, 8)]
    gains = log([[0.6, 0.3, 0.05], [0.8, 0.15, 0.05]])  # 0.30, 0.15, 0.025 and 0.24, 0.045, 0.015
    assert tree.advance(gains, np.array([[5, EOS, 4], [EOS, 3, 6]]), first_row=6) == [(6, 5), (7, 3)]
    assert tree.live and tree.ended
    gains = log([[0.9, 0.05, 0.05], [0.4, 0.3, 0.3]])
    assert tree.advance(gains, np.array([[EOS, 3, 4], [3, 4, 5]]), first_row=2) == []
    assert not tree.live
    first, second = tree.best(2)
    assert (tree.ids(first), tree.ids(second)) == ([7, 5], [8])
    np.testing.assert_allclose(tree.nodes[first].total, log(0.5 * 0.6 * 0.9))
    np.testing.assert_allclose(tree.nodes[first].score, log(0.27) / (8 / 6))
    np.testing.assert_allclose(tree.nodes[second].score, log(0.24) / (7 / 6))
    assert [node.row for node in tree.trace(first)] == [6, 6, 2]
    assert [node.step for node in tree.trace(first)] == [1, 2, 3]
    assert [node.ended for node in tree.trace(second)] == [False, True]


def test_hypotheses_stay_in_the_rows_of_their_parents():
    """The best child of a parent does, the others take the rows that are left, the best first."""
    tree, log = BeamTree(4, 1.0, EOS), np.log
    gains, tokens = log([[0.4, 0.3, 0.2, 0.1]] * 4), np.array([[3, 4, 5, 6]] * 4)
    assert tree.advance(gains, tokens, first_row=8) == [(8, 3), (8, 4), (8, 5), (8, 6)]
    gains[:] = log([[0.1], [0.9], [0.8], [0.1]]) + log([1, 0.5, 0.1, 0.1])  # 0.27, 0.16, 0.135 and 0.08
    assert tree.advance(gains, tokens, first_row=8) == [(9, 4), (9, 3), (10, 3), (10, 4)]
    totals = [tree.nodes[place].total for place in tree.live]
    np.testing.assert_allclose(totals, log([0.135, 0.27, 0.16, 0.08]))


def test_the_search_goes_on_while_a_better_one_lives():
    """Two have ended, and the one that lives is far more probable: it is not given up for them."""
    tree = BeamTree(2, 0.0, EOS)
    for _ in range(3):
        tree.advance(np.array([[-0.01, -9.0, -99.0]] * 2), np.array([[5, EOS, 6]] * 2), 0)
    assert len(tree.ended) == 3 and tree.ids(tree.live[0]) == [5, 5, 5]
    assert tree.advance(np.array([[-0.01, -9.0, -99.0]] * 2), np.array([[EOS, 5, 6]] * 2), 0) == []
    assert tree.ids(tree.best(1)[0]) == [5, 5, 5]


def test_an_end_outside_the_beam_is_none():
    """Of two beams the third candidate ends: it is not among the first two, so it has not ended."""
    tree = BeamTree(2, 0.6, EOS)
    tree.advance(np.log([[0.4, 0.3, 0.2, 0.1]] * 2), np.array([[5, 6, EOS, 7]] * 2), 0)
    assert tree.ended == [] and [tree.nodes[place].token for place in tree.live] == [5, 6]


def test_missing_hypotheses_repeat_the_first():
    tree = BeamTree(3, 0.6, EOS)
    gains = np.array([[-0.1, -0.2, -np.inf]] * 3)
    assert tree.advance(gains, np.array([[5, EOS, 6]] * 3), 0) == [(0, 5), (0, 5), (0, 5)]
    assert len(tree.nodes) == 2  # the third candidate is impossible


def test_of_equal_candidates_the_first_come_first():
    tree = BeamTree(2, 0.6, EOS)
    tree.advance(np.full((2, 4), -1.0), np.array([[9, 4, 6, 8]] * 2), 0)
    assert [tree.nodes[place].token for place in tree.live] == [9, 4]


def test_parents_come_before_their_children():
    tree, rng = BeamTree(3, 0.6, EOS), np.random.default_rng(0)
    for _ in range(7):
        tree.advance(-np.sort(rng.random((3, 6))), rng.integers(3, 9, (3, 6)), 0)
    for place, node in enumerate(tree.nodes):
        assert node.parent < place
        if node.parent >= 0:
            parent = tree.nodes[node.parent]
            assert node.step == parent.step + 1 and node.total < parent.total and not parent.ended
    assert [node.step for node in tree.nodes].count(7) == 3


def test_what_has_ended_and_what_was_cut_are_ranked_together():
    tree = BeamTree(2, 0.6, EOS)
    tree.advance(np.log([[0.6, 0.3, 0.1]] * 2), np.array([[5, EOS, 6]] * 2), 0)
    assert [tree.ids(place) for place in tree.best(3)] == [[5], [], [6]]
    assert [tree.ids(place) for place in tree.best(1)] == [[5]]
