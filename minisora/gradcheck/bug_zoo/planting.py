"""Making a mistake for a while."""

from contextlib import contextmanager


class _Patches:
    """Attributes that were replaced, to be put back in the opposite order."""

    def __init__(self):
        self._old = []

    def setattr(self, owner, name, value):
        """Replace an attribute that ``owner`` itself has."""
        self._old.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)

    def undo(self):
        """Put everything back."""
        while self._old:
            setattr(*self._old.pop())


@contextmanager
def planted(case):
    """Make the mistake of a `Case` in the real layers; at the end of the block they are right again."""
    patches = _Patches()
    try:
        case.plant(patches)
        yield
    finally:
        patches.undo()
