"""How many are answered at the same time, those who wait included."""

from contextlib import contextmanager

from minisora.serving.refusal import Refusal


class Places:
    """A number of places, of one event loop.

    Parameters
    ----------
    count : int
    """

    def __init__(self, count):
        self.free = count

    @contextmanager
    def taken(self):
        """Hold one place; a `Refusal` where none is free."""
        if not self.free:
            raise Refusal("busy", headers={"retry-after": "1"})
        self.free -= 1
        try:
            yield
        finally:
            self.free += 1
