"""Reading what a client sends: so many bytes and so many seconds, and no more."""

import asyncio

from minisora.serving.refusal import Refusal

LARGEST = 16 * 1024  # bytes
DRAINED = 1024 * 1024  # of a body that is too large, so much is read away: else the client might not read our answer
WITHIN = 10  # seconds


class ClientGone(Exception):
    """Nobody is there to be answered any more."""


async def read_body(scope, receive, *, largest=LARGEST, within=WITHIN):
    """The body of a request.

    Raises
    ------
    Refusal
        Where it is larger than ``largest`` bytes, announced or not, or takes longer than ``within`` seconds.
    ClientGone
        Where the client leaves before its end.
    """
    try:
        async with asyncio.timeout(within):
            return await _read(scope, receive, largest)
    except TimeoutError:
        raise Refusal("slow", headers={"connection": "close"}) from None


async def _read(scope, receive, largest):
    too_large = Refusal("too_large", headers={"connection": "close"}, limit=largest)
    if _announced(scope) > DRAINED:
        raise too_large
    chunks, length, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk, more = message.get("body", b""), message.get("more_body", False)
        length += len(chunk)
        if length > DRAINED:
            raise too_large
        if length <= largest:
            chunks.append(chunk)
    if length > largest:
        raise too_large
    return b"".join(chunks)


def _announced(scope):
    length = dict(scope["headers"]).get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0
