"""From an application to a server: a socket, uvicorn, and an end in good order."""

import signal
import socket

import uvicorn

from minisora.serving.patience import PatientProtocol

CONNECTIONS = 500
KEEP_ALIVE, SHUTDOWN = 5, 5  # seconds


def listen(host, port):
    """A socket that listens; port 0 takes any that is free. OSError where that cannot be, in one sentence."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return socket.create_server(found[0][4][:2], family=found[0][0])
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"expected a free address to listen on, got {host} port {port}: {reason}") from None


def address_of(listener):
    """The address of the page, as a browser takes it."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def serve(app, listener):
    """Answer until Ctrl-C or SIGTERM; what has been asked by then is answered first."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=SHUTDOWN,
    )
    handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:  # uvicorn gives the signal that ended it to whoever had it before: to end was all that it meant
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
