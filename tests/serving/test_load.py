"""Many clients at once, each asking again as soon as it is answered: none is lost, none stays unanswered."""

import json
import statistics
import threading
import time
from http.client import HTTPConnection

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

ASKED = [  # what each client asks in turn, with what has to come back
    ({"turns": ["今天天气怎么样？"]}, "今天天气晴朗，气温适中。"),
    (
        {"turns": ["明天北京要带伞吗？"], "context": {"城市": "北京", "日期": "明天", "天气": "小雨"}},
        "明天北京有小雨，建议带伞。",
    ),
    ({"turns": ["你是谁？"]}, "我是Sora，一个中文问答小助手。"),
]


class Client(threading.Thread):
    """Asks for a number of seconds on one connection; ``seconds``: of each answer; ``wrong``: what was none."""

    def __init__(self, port, number, duration):
        super().__init__()
        self.connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self.number, self.duration = number, duration
        self.asked, self.seconds, self.wrong = 0, [], []

    def run(self):
        end = time.monotonic() + self.duration
        while time.monotonic() < end:
            content, expected = ASKED[(self.number + self.asked) % len(ASKED)]
            self.asked += 1
            began = time.monotonic()
            try:
                found = self.ask(content)
            except Exception as error:
                found = repr(error)
            self.seconds.append(time.monotonic() - began)
            if found != expected:
                self.wrong.append(found)
        self.connection.close()

    def ask(self, content):
        body = json.dumps(content)
        self.connection.request("POST", "/answer", body, {"Content-Type": "application/json"})
        events = [json.loads(line) for line in self.connection.getresponse().read().decode("utf-8").splitlines()]
        assert events[-1] == {"done": True}, events
        return "".join(event["piece"] for event in events[:-1])


def ask_together(server, clients, duration):
    """Let them all ask, and say how it went."""
    threads = [Client(server.port, number, duration) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = sorted(second for thread in threads for second in thread.seconds)
    asked, wrong = sum(thread.asked for thread in threads), [found for thread in threads for found in thread.wrong]
    figures = f"{clients} clients, {duration} s: {asked} asked, {len(seconds)} answered, {len(wrong)} not rightly; "
    figures += f"median {statistics.median(seconds):.2f} s, 99 % within {seconds[int(0.99 * len(seconds))]:.2f} s, "
    print(f"\n{figures}longest {seconds[-1]:.2f} s")
    assert wrong == [] and len(seconds) == asked and all(thread.asked for thread in threads)


def test_eight_clients(server):
    ask_together(server, 8, 2)


@pytest.mark.slow
def test_fifty_clients(server):
    ask_together(server, 50, 30)
