"""Clients that begin something and do not go on: their connections end, and nobody else's."""

import asyncio
import json
import socket
import time

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

from minisora.serving.body import ClientGone, read_body
from minisora.serving.refusal import Refusal

BRIEF = "import minisora.serving.patience as p\np.ASKING = p.READING = 0.5"


@pytest.fixture(scope="module")
def impatient(start_server):
    """A server that waits half a second."""
    server = start_server(before=BRIEF)
    yield server
    assert server.stop() == (0, "", "")


def is_closed(connection, within=10):
    """Whether the other side ends a connection."""
    connection.settimeout(within)
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("begun", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_request_that_does_not_come(impatient, begun):
    with socket.create_connection(("127.0.0.1", impatient.port)) as connection:
        connection.sendall(begun)
        assert is_closed(connection)


def test_a_second_request_that_does_not_come(impatient):
    """On a connection whose first one was answered."""
    with socket.create_connection(("127.0.0.1", impatient.port)) as connection:
        connection.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET / HT")
        assert is_closed(connection)


def ask_for_attention(connection, question):
    """Send a question on a socket; the connection is to end with the response."""
    body = json.dumps({"turns": [question]}).encode()
    lines = "POST /attention HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Connection: close"
    connection.sendall("\r\n".join((*lines, f"Content-Length: {len(body)}", "", "")).encode() + body)


def test_an_answer_that_is_not_read(impatient):
    """Megabytes of attention, and a client with room for a few kilobytes that takes none of them."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", impatient.port))
        ask_for_attention(connection, "天" * 250)
        connection.recv(1, socket.MSG_PEEK)  # the response has begun
        time.sleep(2)
        received = b"".join(iter(lambda: chunk(connection), b""))
    assert received.startswith(b"HTTP/1.1 200 ") and not received.endswith(b"0\r\n\r\n")


def chunk(connection):
    connection.settimeout(10)
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""


def test_an_answer_that_is_read_slowly_but_read(impatient):
    """Longer than half a second altogether, never that long without a byte."""
    with socket.create_connection(("127.0.0.1", impatient.port)) as connection:
        ask_for_attention(connection, "天" * 60)
        received = b""
        while piece := chunk(connection):
            received += piece
            time.sleep(0.02)
    assert received.endswith(b"0\r\n\r\n")


def read(messages, **limits):
    """`read_body` of a client that sends these messages and then nothing."""

    async def receive():
        return messages.pop(0) if messages else await asyncio.sleep(60)

    return asyncio.run(read_body({"headers": []}, receive, **limits))


def test_a_body_that_does_not_come():
    with pytest.raises(Refusal) as refusal:
        read([{"type": "http.request", "body": b"{", "more_body": True}], within=0.05)
    assert refusal.value.status == 408


def test_a_client_that_leaves_in_the_middle():
    with pytest.raises(ClientGone):
        read([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])


def test_a_body_in_parts():
    parts = [{"type": "http.request", "body": part, "more_body": part != b"c"} for part in (b"a", b"", b"b", b"c")]
    assert read(parts) == b"abc"
    parts = [{"type": "http.request", "body": b"abc", "more_body": True}, {"type": "http.request", "body": b"d"}]
    assert read(list(parts), largest=4) == b"abcd"
    with pytest.raises(Refusal):
        read(list(parts), largest=3)
