"""The two addresses that compute something: what is read, queued, and sent as it comes."""

import asyncio
import json

from minisora.serving.body import ClientGone, read_body
from minisora.serving.job import Job
from minisora.serving.question import read_question
from minisora.serving.refusal import Refusal


class Asking:
    """An ASGI endpoint that takes a question and streams what the worker makes of it.

    Parameters
    ----------
    kind : {"answer", "attention", "explorer"}
        What to make of a question.
    worker : Worker
    places : Places
        How many may be here at the same time.
    check : function of str
        Raises a `Refusal` for a source that cannot be taken.
    """

    def __init__(self, kind, worker, places, check):
        self.kind, self.worker, self.places, self.check = kind, worker, places, check

    async def __call__(self, scope, receive, send):
        headers = dict(scope["headers"])
        if headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
            raise Refusal("media_type")
        source = read_question(await read_body(scope, receive))
        self.check(source)
        with self.places.taken():
            job = Job(source, self.kind)
            self.worker.submit(job)
            try:
                await while_connected(receive, SENDERS[self.kind](job.pieces(), send))
            finally:
                job.left = True


async def while_connected(receive, work):
    """Run a coroutine until it ends, or cancel it when the client leaves."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(disconnect(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def disconnect(receive):
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_lines(pieces, send):
    """Send pieces of an answer as lines of JSON."""
    await begin(send, b"application/x-ndjson; charset=utf-8")
    try:
        async for piece in pieces:
            await send_more(send, line({"piece": piece}))
        await send_more(send, line({"done": True}))
    except Refusal as refusal:  # the status is sent already
        await send_more(send, line(refusal.content))
    await send({"type": "http.response.body", "body": b""})


async def send_document(pieces, send):
    """Send pieces that make one JSON document together; a failure before the first is an error status."""
    first = await anext(pieces)
    await begin(send, b"application/json")
    await send_more(send, first)
    async for piece in pieces:
        await send_more(send, piece)
    await send({"type": "http.response.body", "body": b""})


SENDERS = {"answer": send_lines, "attention": send_document, "explorer": send_document}


async def begin(send, media_type):
    """Send the head of a response of unknown length."""
    headers = [(b"content-type", media_type), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def send_more(send, text):
    """Send a part of the body."""
    await send({"type": "http.response.body", "body": text.encode("utf-8"), "more_body": True})


def line(content):
    """One line of JSON."""
    return json.dumps(content, ensure_ascii=False) + "\n"
