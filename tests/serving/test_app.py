"""The application inside the test: every address, every refusal, and what each response says about itself."""

import json
import re

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra serve")
pytest.importorskip("httpx2", reason="needs the extra test")

from starlette.testclient import TestClient

from minisora import SoraConfig, SoraModel, SoraTokenizer
from minisora.checkpoint import Pretrained
from minisora.plotting.explorer.content import explore
from minisora.plotting.explorer.page import FOLDER as EXPLORER
from minisora.serving.app import make_app
from minisora.serving.body import LARGEST
from minisora.serving.documents import GRADIENTS
from minisora.serving.files import FOLDER
from minisora.serving.headers import HEADERS
from minisora.serving.places import Places
from minisora.serving.refusal import SENTENCES, Refusal
from minisora.serving.worker import Worker

QUESTION, ANSWER = "今天天气怎么样？", "今天天气晴朗，气温适中。"
JSON = {"content-type": "application/json"}


def events(response):
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def refused(response, code):
    """The response says why there is no answer, in both languages, and has its headers."""
    error = response.json()["error"]
    assert error["code"] == code and response.status_code == SENTENCES[code][0]
    assert error["zh"] and error["en"] and "{l" not in error["en"] + error["zh"]
    assert HEADERS.items() <= dict(response.headers).items()
    return error


def test_an_answer_comes_in_pieces(client):
    found = events(client.post("/answer", json={"turns": [QUESTION]}))
    assert found[-1] == {"done": True}
    assert [event["piece"] for event in found[:-1]] == list(ANSWER)


def test_context_and_earlier_turns_are_read(client):
    context = {"日期": "周五", "南京": "晴", "苏州": "大雨"}
    turns = ["周五南京出门用不用带雨伞？", "那苏州呢？"]
    found = events(client.post("/answer", json={"context": context, "turns": turns}))
    assert "".join(event.get("piece", "") for event in found) == "周五苏州有大雨，建议带伞。"


def test_every_question_of_the_examples_is_answered(client):
    """The page suggests nothing that the bundled model declines."""
    for example in json.loads((FOLDER / "examples.json").read_text(encoding="utf-8")):
        context, turns = dict(fact.split("=") for fact in example["facts"]), []
        for question, _ in example["questions"]:
            turns = [*turns, question] if example.get("follow") else [question]
            found = events(client.post("/answer", json={"context": context, "turns": turns}))
            answer = "".join(event.get("piece", "") for event in found)
            assert answer.endswith("。") and "抱歉" not in answer, turns


def test_attention_is_that_of_the_answer(client, pretrained):
    asked = {"context": {"城市": "北京"}, "turns": [QUESTION]}
    found = client.post("/attention", json=asked)
    content, config = found.json(), pretrained.model.config
    assert found.headers["content-type"] == "application/json"
    assert content["source"]["text"] == f"城市=北京|{QUESTION}"
    sources, steps = len(content["source"]["tokens"]), len(content["target"]["written"])
    heads = config.num_heads
    assert np.shape(content["encoder"]) == (config.num_encoder_layers, heads, sources, sources)
    assert np.shape(content["decoder"]) == (config.num_decoder_layers, heads, steps, steps)
    assert np.shape(content["cross"]) == (config.num_decoder_layers, heads, steps, sources)
    answered = events(client.post("/answer", json=asked))
    assert "".join(event.get("piece", "") for event in answered) == content["target"]["text"]


BODIES = [
    b"", b"{", b"[]", b"null", b'"text"', b"1" * 9000, b"[" * 9000, b'{"a":' * 3000, b"\xff\xfe", b"{}",
    b'{"context": {}}', b'{"turns": "text"}', b'{"turns": [1]}', b'{"turns": [null]}', b'{"turns": [["text"]]}',
    b'{"turns": ["a"], "more": 1}', b'{"turns": ["a"], "context": []}', b'{"turns": ["a"], "context": null}',
    b'{"turns": ["a"], "context": {"a": 1}}', b'{"turns": ["a"], "context": {"a": {}}}',
    b'{"turns": ["a"], "context": {" ": "b"}}', rb'{"turns": ["\ud800"]}',
    rb'{"turns": ["a"], "context": {"\udc00": ""}}',
    json.dumps({"turns": ["a"] * 33}).encode(),
    json.dumps({"turns": ["a"], "context": {str(i): "" for i in range(65)}}).encode(),
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_what_is_no_question_is_refused(client, body):
    refused(client.post("/answer", content=body, headers=JSON), "malformed")
    refused(client.post("/attention", content=body, headers=JSON), "malformed")
    refused(client.post("/explorer/content", content=body, headers=JSON), "malformed")


@pytest.mark.parametrize("turns", [[], [""], [" \n\t"], ["　"], ["a", ""], ["", "a"]])
def test_an_empty_question_is_refused(client, turns):
    refused(client.post("/answer", json={"turns": turns}), "empty")


def test_too_long_for_the_model(client):
    assert events(client.post("/answer", json={"turns": ["天" * 256]}))[-1] == {"done": True}
    error = refused(client.post("/answer", json={"turns": ["天" * 257]}), "too_long")
    assert "257" in error["en"] and "256" in error["zh"]
    refused(client.post("/answer", json={"turns": ["天"] * 32, "context": {"键": "值" * 200}}), "too_long")


def test_too_large_for_the_server(client):
    """Announced, or in chunks whose number nobody knows."""
    error = refused(client.post("/answer", content=b" " * (LARGEST + 1), headers=JSON), "too_large")
    assert str(LARGEST) in error["en"]
    chunks = (b" " * 1000 for _ in range(18))
    refused(client.post("/answer", content=chunks, headers=JSON), "too_large")
    refused(client.post("/answer", content=b" " * 3_000_000, headers=JSON), "too_large")
    spaces = b" " * (LARGEST - 50)
    assert events(client.post("/answer", content=spaces + b'{"turns": ["a"]}', headers=JSON))


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_only_json_is_read(client, kind):
    """A form of another site can send the first two without asking."""
    refused(client.post("/answer", content=b'{"turns": ["a"]}', headers={"content-type": kind}), "media_type")


OTHER_HOSTS = [
    "evil.example",
    "127.0.0.1.evil.example:8000",
    "localhost.evil.example",
    "192.168.1.7",
    "[2001:db8::1]:80",
]


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_other_names_are_refused(client, host):
    for method, path in (("GET", "/"), ("GET", "/script.js"), ("POST", "/answer")):
        refused(client.request(method, path, headers={"host": host}), "wrong_host")


@pytest.mark.parametrize("host", ["", "a b", "127.0.0.1:port", "127.0.0.1@evil.example", "127.0.0.1/evil", "::1"])
def test_a_host_that_is_none_is_refused(client, host):
    refused(client.get("/", headers={"host": host}), "no_host")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1234", "LOCALHOST", "[::1]:8000", "127.0.0.2:80"])
def test_names_of_this_machine(client, host):
    assert client.get("/", headers={"host": host}).status_code == 200


FOREIGN = [
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9"},
    {"origin": "http://[::1"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_pages_of_other_sites_may_not_ask(client, headers):
    refused(client.post("/answer", json={"turns": [QUESTION]}, headers=headers), "other_site")
    assert client.get("/", headers=headers).status_code == 200


def test_our_own_page_may_ask(client):
    headers = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}
    assert events(client.post("/answer", json={"turns": [QUESTION]}, headers=headers))[-1] == {"done": True}


@pytest.mark.parametrize("path", ["/nothing", "/page", "/%2e%2e/app.py", "/..%2fapp.py", "/app.py", "/answer/", "/x//"])
def test_nothing_else_is_there(client, path):
    refused(client.get(path), "not_found")


@pytest.mark.parametrize("line", ["GET /answer", "PUT /answer", "DELETE /", "OPTIONS /answer", "POST /"])
def test_methods(client, line):
    response = client.request(*line.split())
    refused(response, "method")
    assert response.headers["allow"]


def test_the_files_of_the_page(client):
    """Each has its type, and a tag by which a browser asks only whether it has changed."""
    for path in FOLDER.iterdir():
        address = "/" if path.name == "index.html" else f"/{path.name}"
        found = client.get(address)
        assert found.content == path.read_bytes() and HEADERS.items() <= dict(found.headers).items()
        head = client.head(address)
        assert head.content == b"" and head.headers["etag"] == found.headers["etag"]
        again = client.get(address, headers={"if-none-match": f'"x", W/{found.headers["etag"]}'})
        assert again.status_code == 304 and again.content == b""
    assert client.get("/script.js").headers["content-type"].startswith("text/javascript")


def test_the_files_of_the_explorer(client):
    for path in EXPLORER.iterdir():
        found = client.get(f"/explorer/{'' if path.name == 'index.html' else path.name}")
        assert found.content == path.read_bytes() and HEADERS.items() <= dict(found.headers).items()
    refused(client.get("/explorer"), "not_found")


def test_the_content_of_the_explorer_is_that_of_the_answer(client, pretrained):
    asked = {"context": {"城市": "北京"}, "turns": [QUESTION]}
    found = client.post("/explorer/content", json=asked)
    assert found.headers["content-type"] == "application/json" and found.headers["cache-control"] == "no-store"
    answered = events(client.post("/answer", json=asked))
    assert "".join(event.get("piece", "") for event in answered) == found.json()["target"]["text"]
    model, source, target = pretrained
    expected = explore(model, source, f"城市=北京|{QUESTION}", target_tokenizer=target, most=GRADIENTS)
    assert found.json() == json.loads(json.dumps(expected))


def test_the_page_names_no_other_host():
    """Nothing is fetched from elsewhere, and nothing stands in the page that its policy would forbid."""
    for path in FOLDER.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|[\"'(]//", text), path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function", text), path
    html = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|style=|<script(?![^>]*\bsrc=)|\son\w+=|javascript:", html)


def test_both_languages_have_every_text():
    text = (FOLDER / "texts.js").read_text(encoding="utf-8")
    chinese, english = (re.findall(r"^    (\w+):", part, re.MULTILINE) for part in text.split("  en: {"))
    assert chinese == english
    for named in re.findall(r'data-text="(\w+)"', (FOLDER / "index.html").read_text(encoding="utf-8")):
        assert named in chinese


def test_the_model_is_named(client):
    content = client.get("/model").json()
    assert content == {"name": "sora/sora-base", "parameters": 2715680, "max_len": 256}


def test_no_cookie_and_nothing_to_store(client):
    response = client.post("/answer", json={"turns": [QUESTION]})
    assert "set-cookie" not in response.headers and response.headers["cache-control"] == "no-store"


class BrokenWorker(Worker):
    """Fails as a bug would."""

    def _answer(self, jobs):
        raise ValueError(f"cannot read {jobs[0].source}")

    def _attend(self, job):
        raise ValueError(f"cannot read {job.source}")


def test_a_failure_is_said_and_not_what_was_asked(pretrained, caplog):
    app = make_app(pretrained, "m", worker=BrokenWorker(pretrained))
    with TestClient(app, base_url="http://localhost") as client:
        for _ in range(2):  # the worker goes on
            assert events(client.post("/answer", json={"turns": ["秘密"]}))[-1]["error"]["code"] == "internal"
            refused(client.post("/attention", json={"turns": ["秘密"]}), "internal")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("minisora")]
    assert ours[0].startswith("answer failed: ValueError at test_app.py:") and "秘密" not in caplog.text


def test_a_bug_before_the_worker_is_said_too(pretrained, caplog, monkeypatch):
    monkeypatch.setattr("minisora.serving.asking.read_question", lambda body: {}[body])
    with TestClient(make_app(pretrained, "m"), base_url="http://localhost") as client:
        refused(client.post("/answer", json={"turns": ["secret"]}), "internal")
    assert "a request failed: KeyError at test_app.py" in caplog.text and "secret" not in caplog.text


def test_no_place_is_free(pretrained):
    app = make_app(pretrained, "m", answers=0, attentions=0)
    with TestClient(app, base_url="http://localhost") as client:
        for path in ("/answer", "/attention", "/explorer/content"):
            response = client.post(path, json={"turns": [QUESTION]})
            refused(response, "busy")
            assert response.headers["retry-after"] == "1"


def test_places_are_given_back():
    places = Places(1)
    with places.taken(), pytest.raises(Refusal), places.taken():
        pass
    with pytest.raises(KeyError), places.taken():
        raise KeyError
    with places.taken():
        assert places.free == 0


def test_a_model_with_too_much_attention():
    """96 heads over 128 tokens and as many steps."""
    tokenizer = SoraTokenizer.learn([QUESTION])
    size = {"source_vocab_size": tokenizer.vocab_size, "target_vocab_size": tokenizer.vocab_size, "max_len": 128}
    config = SoraConfig(**size, d_model=96, num_heads=96, d_ff=7, num_encoder_layers=1, num_decoder_layers=1)
    pretrained = Pretrained(SoraModel(config, np.random.default_rng(0)), tokenizer, tokenizer)
    with TestClient(make_app(pretrained, "m"), base_url="http://localhost") as client:
        refused(client.post("/attention", json={"turns": ["天" * 128]}), "too_many_weights")
        refused(client.post("/explorer/content", json={"turns": ["天" * 128]}), "too_many_weights")
