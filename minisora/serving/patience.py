"""How long the server waits for a client that sends or reads nothing: uvicorn itself would wait for ever."""

from uvicorn.protocols.http.h11_impl import H11Protocol

ASKING, READING = 10, 20  # seconds


class PatientProtocol(H11Protocol):
    """HTTP/1.1 whose connections end when a request does not come, or a response is not read, within a time."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._asking = self._reading = None

    def connection_made(self, transport):
        super().connection_made(transport)
        self._asking = self.loop.call_later(ASKING, transport.abort)

    def data_received(self, data):
        super().data_received(data)
        if self._answering():
            self._asking = cancelled(self._asking)
        elif self._asking is None:  # the beginning of a request, on a connection that had one before
            self._asking = self.loop.call_later(ASKING, self._end_unless_answering)

    def connection_lost(self, exc):
        self._asking, self._reading = cancelled(self._asking), cancelled(self._reading)
        super().connection_lost(exc)

    def pause_writing(self):
        super().pause_writing()
        self._reading = self.loop.call_later(READING, self.transport.abort)

    def resume_writing(self):
        self._reading = cancelled(self._reading)
        super().resume_writing()

    def _answering(self):
        return self.cycle is not None and not self.cycle.response_complete

    def _end_unless_answering(self):
        self._asking = None
        if not self._answering():
            self.transport.abort()


def cancelled(timer):
    """Cancel a timer, if there is one, and return None for its place."""
    if timer is not None:
        timer.cancel()
