"""When a training ends before its last step: a signal, or its time is over."""

import signal
import threading
import time


class Stopping:
    """Ask ``reason()`` after each step. As a context it turns SIGINT and SIGTERM into reasons: no step is cut in two.

    A second Ctrl-C is a KeyboardInterrupt as usual. Outside the main thread signals are left alone.
    """

    def __init__(self, max_minutes=None):
        self._begin = time.monotonic()
        self._seconds = float("inf") if max_minutes is None else 60 * max_minutes
        self._signal = None
        self._former = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def reason(self):
        """``"interrupted"``, ``"max_minutes"`` or None."""
        if self._signal is not None:
            return "interrupted"
        return "max_minutes" if self.seconds() >= self._seconds else None

    def seconds(self):
        """Since the beginning."""
        return time.monotonic() - self._begin

    def _note(self, number, _frame):
        if self._signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signal = number
