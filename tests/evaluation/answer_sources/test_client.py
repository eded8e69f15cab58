"""Requests to a server that is busy, slow, down or wrong; nothing that was answered is lost."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from research.common.errors import InputError
from research.evaluation.answer_sources.client import EndpointClient, read_key
from research.evaluation.answer_sources.rate_limit import RateLimit
from tests.evaluation.answer_sources.chat_server import ChatServer, chat_server, completion

pytest.importorskip("openai", reason="the extra `endpoint` is not installed")

KEY = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def client(address: str, folder: Path, **changes: Any) -> EndpointClient:
    options: dict[str, Any] = dict(timeout=60.0, retries=2, parallel=1, per_minute=None)
    settings = {"key": KEY, **options, **changes}
    return EndpointClient(address=address, model="tiny", cache=folder, **settings)


def body(prompt: str) -> dict[str, Any]:
    return {"model": "tiny", "messages": [{"role": "user", "content": prompt}], "temperature": 0.0}


BODIES = [body(f"film {i}") for i in range(4)]


def ignore(done: int, total: int) -> None:
    pass


def failure(asking: EndpointClient, bodies: list[dict[str, Any]] = BODIES[:1]) -> str:
    with pytest.raises(InputError) as error:
        asking.replies(bodies, ignore)
    chain, seen = error.value, ""
    while chain is not None:  # a traceback shows each cause
        seen += str(chain)
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    assert KEY not in seen
    return str(error.value)


def test_replies_stand_in_the_order_of_the_requests(server: ChatServer, tmp_path: Path):
    server.respond = lambda body, number: (200, completion(body["messages"][0]["content"]))
    reports: list[tuple[int, int]] = []
    asking = client(server.address, tmp_path, parallel=4)
    replies = asking.replies(BODIES, lambda done, total: reports.append((done, total)))
    assert [reply.text for reply in replies] == [f"film {i}" for i in range(4)]
    assert (replies[0].prompt_tokens, replies[0].answer_tokens) == (20, 2)
    assert reports == [(done, 4) for done in range(1, 5)]
    assert server.keys == [f"Bearer {KEY}"] * 4
    assert sorted(server.requests, key=str) == sorted(BODIES, key=str)


def test_a_request_is_sent_once(server: ChatServer, tmp_path: Path):
    """The same input twice, a second call, another client, another process."""
    twice = [*BODIES, BODIES[0]]
    first = client(server.address, tmp_path).replies(twice, ignore)
    assert len(first) == 5 and len(server.requests) == 4
    assert client(server.address, tmp_path).replies(twice, ignore) == first
    assert len(server.requests) == 4
    client(server.address, tmp_path).replies([{**BODIES[0], "seed": 1}], ignore)
    assert len(server.requests) == 5  # another field, another request


def test_two_that_ask_the_same_send_each_request_once(server: ChatServer, tmp_path: Path):
    both_began = threading.Event()

    def respond(body: dict[str, Any], number: int) -> tuple[int, str]:
        assert both_began.wait(60)
        return 200, completion(f"{number}")

    server.respond = respond
    with ThreadPoolExecutor(2) as pool:
        futures = [
            pool.submit(client(server.address, tmp_path, parallel=4).replies, BODIES, ignore)
            for _ in range(2)
        ]
        both_began.set()
        first, second = (future.result() for future in futures)
    assert first == second and len(server.requests) == 4


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: ChatServer, tmp_path: Path, status: int):
    server.respond = lambda body, number: (
        (200, completion("right")) if number == 2 else (status, "busy")
    )
    [reply] = client(server.address, tmp_path).replies(BODIES[:1], ignore)
    assert reply.text == "right" and len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "text", "sent", "sentence"),
    [
        (500, "out of\n memory", 3, "the server refuses with status 500: out of memory."),
        (429, "", 3, "the server refuses with status 429: no text."),
        (401, f"wrong key {KEY}", 1, "the server refuses with status 401: wrong key ***."),
        (404, "no such model", 1, "the server refuses with status 404: no such model."),
        (200, "<html>sorry</html>", 1, "is '<html>sorry</html>': JSON is expected."),
        (200, '{"choices": [', 1, "JSON is expected."),
        (200, "", 1, "is '': JSON is expected."),
        (200, "[]", 1, "is '[]': a chat completion with choices[0].message.content is expected."),
        (200, '{"error": {"message": "no"}}', 1, "a chat completion with choices[0]"),
        (200, '{"choices": []}', 1, "a chat completion with choices[0]"),
        (200, completion(["good"]), 1, "a text is expected as choices[0].message.content."),
        (200, f'{{"{KEY}": 1}}', 1, """is '{"***": 1}': a chat completion"""),
    ],
)
def test_a_server_that_fails_gets_one_sentence(
    server: ChatServer, tmp_path: Path, status: int, text: str, sent: int, sentence: str
):
    server.respond = lambda body, number: (status, text)
    said = failure(client(server.address, tmp_path))
    assert sentence in said and server.address in said and len(server.requests) == sent


def test_a_server_that_is_down(tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    said = failure(client(address, tmp_path, retries=0))
    assert said.startswith(f"endpoint is '{address}': the server cannot be reached (")
    assert said.endswith("), 1 attempt.")


def test_a_server_that_is_slow(server: ChatServer, tmp_path: Path):
    over = threading.Event()

    def respond(body: dict[str, Any], number: int) -> tuple[int, str]:
        over.wait(60)
        return 200, completion("late")

    server.respond = respond
    try:
        said = failure(client(server.address, tmp_path, timeout=0.2, retries=1))
    finally:
        over.set()
    assert said.endswith("no reply within 0.2 seconds, 2 attempts.") and len(server.requests) == 2


def test_what_was_answered_is_kept(server: ChatServer, tmp_path: Path):
    def respond(body: dict[str, Any], number: int) -> tuple[int, str]:
        return (400, "no") if number == 2 else (200, completion(f"{number}"))

    server.respond = respond
    failure(client(server.address, tmp_path), BODIES)
    replies = client(server.address, tmp_path).replies(BODIES, ignore)
    assert [reply.text for reply in replies[:2]] == ["0", "1"]
    assert [server.requests.count(body) for body in BODIES] == [1, 1, 2, 1]


def test_a_half_written_line_is_asked_again(server: ChatServer, tmp_path: Path):
    client(server.address, tmp_path).replies(BODIES, ignore)
    [file] = tmp_path.glob("*.jsonl")
    content = file.read_bytes()
    file.write_bytes(content[:-20])
    client(server.address, tmp_path).replies(BODIES, ignore)
    assert len(server.requests) == 5 and len(file.read_bytes().splitlines()) == 4


def test_a_damaged_line_is_named(server: ChatServer, tmp_path: Path):
    client(server.address, tmp_path).replies(BODIES, ignore)
    [file] = tmp_path.glob("*.jsonl")
    lines = file.read_text().splitlines()
    for damaged in ("{", json.dumps({"request": {}}), json.dumps({"request": 1, "reply": {}})):
        file.write_text("\n".join([lines[0], damaged, *lines[2:]]) + "\n")
        assert f"{file.name}, line 2" in failure(client(server.address, tmp_path), BODIES)
    assert len(server.requests) == 4


def test_no_file_has_the_key(server: ChatServer, tmp_path: Path):
    server.respond = lambda body, number: (200, completion(f"your key is {KEY}"))
    [reply] = client(server.address, tmp_path).replies(BODIES[:1], ignore)
    assert reply.text == "your key is ***"
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_a_refusal_and_uncounted_tokens(server: ChatServer, tmp_path: Path):
    server.respond = lambda body, number: (200, '{"choices": [{"message": {"content": null}}]}')
    [reply] = client(server.address, tmp_path).replies(BODIES[:1], ignore)
    assert (reply.text, reply.prompt_tokens, reply.answer_tokens) == (None, None, None)


def test_a_server_without_a_key(server: ChatServer, tmp_path: Path):
    client(server.address, tmp_path, key=None).replies(BODIES[:1], ignore)
    assert server.keys == ["Bearer none"]


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    assert read_key(None) is None
    monkeypatch.setenv("TINY_KEY", f" {KEY}\n")
    assert read_key("TINY_KEY") == KEY
    for value in ("", "  "):
        monkeypatch.setenv("TINY_KEY", value)
        with pytest.raises(InputError, match="endpoint.key is 'TINY_KEY': this environment var"):
            read_key("TINY_KEY")
    for value in ("sk-é", "sk-\n1"):
        monkeypatch.setenv("TINY_KEY", value)
        with pytest.raises(InputError, match="has characters that no key has") as error:
            read_key("TINY_KEY")
        assert "sk-" not in str(error.value)


def test_requests_begin_at_regular_intervals():
    now, pauses = [100.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    limit = RateLimit(120, clock=lambda: now[0], sleep=sleep)
    for _ in range(3):
        limit.wait()
    assert pauses == [0.5, 0.5]
    now[0] += 10
    limit.wait()
    assert pauses == [0.5, 0.5]
    unlimited = RateLimit(None, clock=lambda: now[0], sleep=sleep)
    unlimited.wait()
    unlimited.wait()
    assert pauses == [0.5, 0.5]
