"""First things to train: tasks whose right attention is known before the training begins.

copy     丙甲丁 → 丙甲丁    target t is source t: a diagonal
reverse  丙甲丁 → 丁甲丙    target t is source S - 1 - t: an anti-diagonal
sort     丙甲丁 → 甲丙丁    target t is the symbol of rank t: a permutation, another one for every source

Symbols do not repeat within a source, so that one place alone is right for every target.
"""

from minisora.corpus.dice import Dice

SYMBOLS = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥"  # the ten stems and twelve branches, in their order
TASKS = {  # the places in the source of the targets, in their order
    "copy": lambda source: list(range(len(source))),
    "reverse": lambda source: list(range(len(source)))[::-1],
    "sort": lambda source: sorted(range(len(source)), key=lambda place: SYMBOLS.index(source[place])),
}


def right_places(task, source):
    """Return, for each symbol of the target, its place in the source: where attention should look.

    Parameters
    ----------
    task : {"copy", "reverse", "sort"}
    source : str
        Of `SYMBOLS`, none of them twice.
    """
    return TASKS[task](source)


class TaskStream:
    """Fresh pairs of a task, each a pure function of seed and position.

    Parameters
    ----------
    task : {"copy", "reverse", "sort"}
    seed : int or str
    lengths : (int, int)
        Shortest and longest source, in symbols.

    Raises
    ------
    ValueError
        For an unknown task, or for lengths that the symbols do not allow.
    """

    def __init__(self, task, seed=0, lengths=(3, 9)):
        if task not in TASKS:
            raise ValueError(f"expected a task out of {', '.join(TASKS)}, got {task!r}")
        if not 1 <= lengths[0] <= lengths[1] <= len(SYMBOLS):
            raise ValueError(f"expected lengths from 1 to {len(SYMBOLS)}, the shorter one first, got {lengths}")
        self.task, self.seed, self.lengths = task, seed, tuple(lengths)

    def draw(self, start, count):
        """The pairs at positions ``start`` to ``start + count - 1``: a list of (source, target)."""
        return [self._pair(position) for position in range(start, start + count)]

    def alphabet(self):
        """A text with every character that may be drawn."""
        return SYMBOLS

    def describe(self):
        """What a checkpoint keeps, to tell these data from others."""
        return {"kind": f"task {self.task}", "seed": self.seed, "lengths": list(self.lengths)}

    def _pair(self, position):
        dice = Dice("task", self.seed, position)
        source = "".join(dice.sample(SYMBOLS, dice.between(*self.lengths)))
        return source, "".join(source[place] for place in right_places(self.task, source))
