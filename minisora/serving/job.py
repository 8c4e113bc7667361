"""One thing to compute, between the event loop that waits for it and the thread that does it."""

import asyncio

from minisora.serving.refusal import Refusal

_END, _FAILED = object(), object()


class Job:
    """What a client waits for; made in the event loop.

    Parameters
    ----------
    source : str
        What the model reads.
    kind : {"answer", "attention", "explorer"}

    Attributes
    ----------
    left : bool
        Whether nobody waits any more.
    """

    def __init__(self, source, kind):
        self.source, self.kind, self.left = source, kind, False
        self._loop, self._pieces = asyncio.get_running_loop(), asyncio.Queue()

    def put(self, piece):
        """Hand over one more piece; called by the thread, like `end` and `fail`."""
        self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    def end(self):
        """Say that there is no more."""
        self.put(_END)

    def fail(self):
        """Say that it cannot be computed."""
        self.put(_FAILED)

    async def pieces(self):
        """Yield the pieces as they come; a `Refusal` where the thread failed."""
        while (piece := await self._pieces.get()) is not _END:
            if piece is _FAILED:
                raise Refusal("internal")
            yield piece
