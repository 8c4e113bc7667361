"""The tree of one source's beam search: every hypothesis of every step."""

from typing import NamedTuple

import numpy as np


class BeamNode(NamedTuple):
    """A hypothesis: its parent's tokens, and one more."""

    step: int  # how many tokens it has, eos counted
    parent: int  # place of its parent in the tree's list; -1 for the empty hypothesis
    token: int
    total: float  # log-probability of all its tokens
    score: float  # total / length_penalty(step): what finished hypotheses are compared by
    ended: bool  # whether its token is eos
    row: int  # of the state, in which its parent stood


def length_penalty(length, alpha):
    """Return lp(Y) = ((5 + |Y|) / 6)^alpha [1]_; |Y| counts eos, whose probability is part of the score.

    References
    ----------
    .. [1] Wu et al., "Google's Neural Machine Translation System", 2016, eq. (14).
    """
    return ((5 + length) / 6) ** alpha


class BeamTree:
    """The search for one source: hypotheses that live, and those that have ended.

    A step looks at the 2 K best continuations of the K live hypotheses. Those of the first K that end have ended; the
    best K of the others live on, so that ends do not make the beam narrower. The search is over when K have ended and
    none that lives has, as it stands, a better score than they.

    Parameters
    ----------
    beams : int
        K; with 1 this is greedy decoding.
    alpha : float
        Of the length penalty.
    eos_id : int
    """

    def __init__(self, beams, alpha, eos_id):
        self.beams, self.alpha, self.eos_id = beams, alpha, eos_id
        self.nodes = []
        self.live, self.ended = [-1], []  # places in nodes; those that live in the order of their rows

    def advance(self, gains, tokens, first_row):
        """Take a step.

        Parameters
        ----------
        gains : array (K, C)
            Log-probabilities of the best continuations of each live hypothesis, falling.
        tokens : int array (K, C)
            Their tokens.
        first_row : int
            Where this tree's K rows of the state begin.

        Returns
        -------
        list of (int, int)
            For each of its K rows from now on, which row it continues and the token it reads; [] when it is over.
            Rows for which there is no hypothesis repeat the first.
        """
        totals = np.array([self._total(place) for place in self.live])[:, None] + gains[: len(self.live)]
        parents, self.live = self.live, []
        order = (-totals).argsort(axis=None, kind="stable")[: 2 * self.beams]
        for rank, at in enumerate(order.tolist()):
            slot, column = divmod(at, totals.shape[1])
            total, token = float(totals[slot, column]), int(tokens[slot, column])
            if total == -np.inf:
                break
            if token == self.eos_id and rank < self.beams:
                self.ended.append(self._add(parents[slot], token, total, first_row + slot))
            elif token != self.eos_id and len(self.live) < self.beams:
                self.live.append(self._add(parents[slot], token, total, first_row + slot))
        self.live = [] if self._is_over() else self._settled(first_row)
        going = [(self.nodes[place].row, self.nodes[place].token) for place in self.live]
        return going + going[:1] * (self.beams - len(going))

    def _is_over(self):
        if not self.live:
            return True
        if len(self.ended) < self.beams:
            return False
        ended = sorted((self.nodes[place].score for place in self.ended), reverse=True)
        return self.nodes[self.live[0]].score <= ended[self.beams - 1]

    def _settled(self, first_row):
        """Return the live hypotheses in the order of their rows: most stay in the row of their parent.

        The best child of a parent does; the others take the rows that are left, the best of them first. A hypothesis
        that changes rows takes its keys and values along, and to copy them takes time.
        """
        rows, others = [None] * len(self.live), []
        for place in self.live:
            slot = self.nodes[place].row - first_row
            if slot < len(rows) and rows[slot] is None:
                rows[slot] = place
            else:
                others.append(place)
        return [others.pop(0) if place is None else place for place in rows]

    def _total(self, place):
        return 0.0 if place < 0 else self.nodes[place].total

    def _add(self, parent, token, total, row):
        """Append a node and return its place."""
        step = 1 if parent < 0 else self.nodes[parent].step + 1
        score = total / length_penalty(step, self.alpha)
        self.nodes.append(BeamNode(step, parent, token, total, score, token == self.eos_id, row))
        return len(self.nodes) - 1

    def best(self, count):
        """Return the places of the best hypotheses, the best first: what has ended, and what was cut while it lived."""
        return sorted(self.ended + self.live, key=lambda place: -self.nodes[place].score)[:count]

    def trace(self, place):
        """Return a hypothesis's nodes, first to last."""
        path = []
        while place >= 0:
            path.append(self.nodes[place])
            place = self.nodes[place].parent
        return path[::-1]

    def hypothesis(self, place):
        """Return a hypothesis's tokens, without eos, its score, and the rows of the state that it went through."""
        path = self.trace(place)
        return [node.token for node in path if not node.ended], path[-1].score, [node.row for node in path]

    def ids(self, place):
        """Return a hypothesis's tokens, without eos."""
        return self.hypothesis(place)[0]
