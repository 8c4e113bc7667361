"""What the tests of the server share: the bundled model, an application, and a server of its own on loopback."""

import json
import subprocess
import sys
from http.client import HTTPConnection

import pytest

from minisora.checkpoint import load


@pytest.fixture(scope="session")
def pretrained():
    return load("sora/sora-base")


@pytest.fixture(scope="module")
def client(pretrained):
    """A client of an application that runs inside the test."""
    from starlette.testclient import TestClient

    from minisora.serving.app import make_app

    with TestClient(make_app(pretrained, "sora/sora-base"), base_url="http://127.0.0.1:8000") as found:
        yield found


class Server:
    """A process of ``minisora serve`` on a free port; ``before`` is code that runs in it first."""

    def __init__(self, *options, before=""):
        code = f"{before}\nfrom minisora.cli import main\nmain()"
        command = [sys.executable, "-c", code, "serve", "--port", "0", *options]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, encoding="utf-8")
        self.greeting = self.process.stdout.readline()
        self.url = self.greeting.split()[1]
        self.port = int(self.url.rstrip("/").rpartition(":")[2])

    def connect(self, timeout=20):
        return HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, path="/answer", **content):
        """POST one question on a connection of its own: (status, body as text)."""
        connection = self.connect()
        try:
            self.post(connection, content, path)
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8")
        finally:
            connection.close()

    @staticmethod
    def post(connection, content, path="/answer"):
        """Send a question as JSON; the response is the caller's to read."""
        connection.request("POST", path, json.dumps(content), {"Content-Type": "application/json"})

    def stop(self):
        """End the process as a service manager would: (code, standard output, standard error)."""
        self.process.terminate()
        output, errors = self.process.communicate(timeout=30)
        return self.process.returncode, output, errors


@pytest.fixture(scope="session")
def start_server():
    """The class `Server`, for tests that want one with options."""
    return Server


@pytest.fixture(scope="module")
def server():
    """One server for the tests of a file, which has to be silent to the end."""
    running = Server()
    yield running
    assert running.stop() == (0, "", "")
