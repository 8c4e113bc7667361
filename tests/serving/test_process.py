"""A real server process on loopback: streams, clients that are slow, rude or gone, and the end in good order."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

QUESTION, ANSWER = "今天天气怎么样？", "今天天气晴朗，气温适中。"
LONG = "饕" * 80  # an answer of many tokens, since it means nothing


def whole(body):
    """The answer in a stream of lines, which has to have come to its end."""
    events = [json.loads(line) for line in body.splitlines()]
    assert events[-1] == {"done": True}
    return "".join(event["piece"] for event in events[:-1])


def raw(server, data, timeout=20):
    """A socket that has sent some bytes."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout)
    connection.sendall(data)
    return connection


def request_head(server, path="/answer", **headers):
    lines = {"Host": f"127.0.0.1:{server.port}", "Content-Type": "application/json", **headers}
    return f"POST {path} HTTP/1.1\r\n".encode() + b"".join(f"{k}: {v}\r\n".encode() for k, v in lines.items()) + b"\r\n"


def test_it_greets_with_its_address(server):
    assert server.greeting == f"sora/sora-base: http://127.0.0.1:{server.port}/ (Ctrl-C ends it)\n"


def test_an_answer(server):
    status, body = server.ask(turns=[QUESTION])
    assert status == 200 and whole(body) == ANSWER


def test_it_listens_on_loopback_alone(server):
    sockets = Path("/proc/net/tcp")
    if not sockets.exists():
        pytest.skip("needs /proc/net/tcp")
    port = f":{server.port:04X}"
    local = [line.split()[1] for line in sockets.read_text().splitlines() if line.split()[3] == "0A"]
    assert [address for address in local if address.endswith(port)] == [f"0100007F{port}"]


def test_one_connection_for_many_questions(server):
    connection = server.connect()
    for content in ({"turns": [QUESTION]}, {"turns": []}, {"turns": [QUESTION]}):
        server.post(connection, content)
        response = connection.getresponse()
        body = response.read().decode()
        assert response.status == (200 if content["turns"] else 422)
    assert whole(body) == ANSWER
    connection.close()


def test_a_slow_client_does_not_keep_others_waiting(server):
    """One has sent half of its question, one reads nothing, one has sent half of its headers."""
    body = json.dumps({"turns": [QUESTION]}).encode()
    half = raw(server, request_head(server, **{"Content-Length": len(body)}) + body[:9])
    deaf = raw(server, request_head(server, "/attention", **{"Content-Length": len(body)}) + body)
    headless = raw(server, b"POST /answer HTTP/1.1\r\nHost: 127")
    for _ in range(5):
        assert whole(server.ask(turns=[QUESTION])[1]) == ANSWER
    half.sendall(body[9:])
    received = b""
    while b'"done"' not in received:
        received += half.recv(4096)
    for connection in (half, deaf, headless):
        connection.close()


def test_clients_that_leave_free_their_places(server):
    """More than there are places, each gone before its answer: the next one is answered at once."""
    body = json.dumps({"turns": [LONG]}).encode()
    for _ in range(3):
        leaving = [raw(server, request_head(server, **{"Content-Length": len(body)}) + body) for _ in range(60)]
        for connection in leaving:
            connection.close()
    deadline = time.monotonic() + 20
    while (found := server.ask(turns=[QUESTION]))[0] == 503 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert whole(found[1]) == ANSWER


def test_too_many_at_once(server):
    """150 ask for long answers at the same moment: each is answered or told to come again, and the server goes on."""
    body = json.dumps({"turns": [LONG]}).encode()
    asking = [
        raw(server, request_head(server, **{"Content-Length": len(body), "Connection": "close"}) + body)
        for _ in range(150)
    ]
    responses = [b"".join(iter(lambda c=connection: c.recv(65536), b"")) for connection in asking]
    for connection in asking:
        connection.close()
    statuses = [response.split(b" ", 2)[1] for response in responses]
    assert set(statuses) == {b"200", b"503"} and statuses.count(b"200") >= 64
    assert all(b'{"done": true}' in response for response in responses if b" 200 " in response[:20])
    assert all(b"retry-after: 1" in response.lower() for response in responses if b" 503 " in response[:20])
    assert whole(server.ask(turns=[QUESTION])[1]) == ANSWER


def test_a_body_without_end_is_stopped(server):
    """In chunks that announce no length."""
    connection = raw(server, request_head(server, **{"Transfer-Encoding": "chunked"}))
    connection.sendall(b"".join(b"400\r\n" + b" " * 1024 + b"\r\n" for _ in range(40)) + b"0\r\n\r\n")
    assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    connection.close()


@pytest.mark.parametrize(
    "data", [b"\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n", b"GET /" + b"a" * 70000]
)
def test_what_is_no_request(server, data):
    with raw(server, data) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100)[:12] in (b"HTTP/1.1 400", b"")
    assert whole(server.ask(turns=[QUESTION])[1]) == ANSWER


def test_an_upgrade_is_not_taken(server):
    lines = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with raw(server, lines) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_nothing_is_said_of_what_was_asked(start_server):
    """Good questions, bad ones, a traversal in the address: the process says its address, and no more."""
    server = start_server()
    secret = "秘密-secret"
    server.ask(turns=[secret])
    server.ask("/attention", turns=[secret], context={secret: secret})
    server.ask(turns=[secret * 100])
    server.ask(secret=secret)
    server.ask("/secret?secret", turns=[secret])
    code, output, errors = server.stop()
    assert (code, output, errors) == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_waits_for_what_was_asked(start_server, number):
    server = start_server()
    connection = server.connect()
    server.post(connection, {"turns": [LONG]})
    idle = server.connect()
    idle.request("GET", "/model")
    idle.getresponse().read()
    os.kill(server.process.pid, number)
    whole(connection.getresponse().read().decode())
    connection.close()
    idle.close()
    output, errors = server.process.communicate(timeout=30)
    assert (server.process.returncode, output, errors) == (0, "", "")


def refused(*options):
    """What ``minisora serve`` says where it cannot serve."""
    command = [sys.executable, "-m", "minisora", "serve", *map(str, options)]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    assert result.returncode == 2 and result.stdout == "" and result.stderr.count("\n") == 1
    return result.stderr


def test_an_address_that_cannot_be_had(server):
    message = refused("--port", server.port)
    assert message.startswith(f"minisora: expected a free address to listen on, got 127.0.0.1 port {server.port}: ")
    assert "got no.such.host.invalid port" in refused("--host", "no.such.host.invalid")
    assert "no-such-model" in refused("--model", "no-such-model")


def test_an_address_that_others_can_reach(start_server):
    """It is said in one sentence; addresses in numbers and names that were allowed are ours, others are not."""
    server = start_server("--host", "0.0.0.0", "--allow-host", "here.example")
    assert server.greeting.startswith("sora/sora-base: http://0.0.0.0:")
    for host, status in (("192.168.1.7", 200), ("here.example:80", 200), ("evil.example", 421), ("localhost", 200)):
        connection = server.connect()
        connection.request("GET", "/model", headers={"Host": host})
        assert connection.getresponse().status == status, host
        connection.close()
    code, _, errors = server.stop()
    assert code == 0 and errors == "minisora: 0.0.0.0 can be reached from other machines, and anyone there may ask\n"


def test_a_model_in_a_folder_is_shown_by_its_name_alone(start_server, pretrained, tmp_path):
    pretrained.model.save_pretrained(tmp_path / "mine", pretrained.source_tokenizer)
    server = start_server("--model", str(tmp_path / "mine"))
    connection = server.connect()
    connection.request("GET", "/model")
    assert json.loads(connection.getresponse().read())["name"] == "mine"
    connection.close()
    assert server.stop() == (0, "", "")


def test_without_the_extra_one_sentence_names_it(tmp_path):
    """A folder whose starlette cannot be imported stands before the real one."""
    (tmp_path / "starlette.py").write_text("raise ModuleNotFoundError('none', name='starlette')", encoding="utf-8")
    code = "import sys; sys.argv[1:] = ['serve']; from minisora.cli import main; main()"
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=env)
    assert (result.returncode, result.stderr) == (2, "minisora: serve needs starlette: pip install 'minisora[serve]'\n")
