"""Settings of an endpoint, its requests, and what becomes of the replies."""

import importlib.util
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from research.common.errors import InputError
from research.evaluation.answer_sources.conversation import Conversation, DemonstrationDraw
from research.evaluation.answer_sources.endpoint import Endpoint
from research.evaluation.answer_sources.endpoint_source import EndpointSource
from research.evaluation.answer_sources.source import ScoredAnswers
from research.tasks.prompts.layout import LayoutSettings
from research.tasks.task import Task
from tests.evaluation.answer_sources.chat_server import ChatServer, chat_server, completion
from tests.evaluation.answer_sources.tasks import LABELS, NUMBERS, WRITTEN

ADDRESS = "http://127.0.0.1:8000/v1"
MESSAGES = [{"role": "user", "content": "x"}]


def conversation(task: Task) -> Conversation:
    """A user turn and nothing else."""
    draw = DemonstrationDraw(task.train, task.labels)
    return Conversation(task.templates[0], task.verbalizer, LayoutSettings(True), draw)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    pytest.importorskip("openai", reason="the extra `endpoint` is not installed")
    with chat_server() as running:
        yield running


def endpoint(address: str = ADDRESS, **changes: Any) -> Endpoint:
    return Endpoint(**{"address": address, "model": "tiny", "key": None, **changes})


def source(settings: Endpoint, task: Task, folder: Path, seed: int = 0) -> EndpointSource:
    return EndpointSource(
        endpoint=settings,
        task=task,
        conversation=conversation(task),
        seed=seed,
        client=settings.client(folder),
        splits=frozenset({"test"}),
        report=lambda *report: None,
    )


def answer(
    settings: Endpoint, task: Task, folder: Path, split: str = "test", seed: int = 0
) -> ScoredAnswers:
    answered = source(settings, task, folder, seed).answer(split, task.test)
    assert answered is not None
    return answered


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"address": "localhost:8000"}, "address is 'localhost:8000': a base URL such as"),
        ({"address": "http://"}, "address is 'http://': a base URL"),
        ({"address": "http://host:port/v1"}, "address is '...': a base URL"),
        ({"address": "https://me:sk-1@host/v1"}, "address is '...': a base URL"),
        ({"address": "https://host/v1?key=sk-1"}, "without a user, a password and a query"),
        ({"model": " "}, "model is ' ': the name of a model"),
        ({"key": "sk-1"}, "key is '...': the name of an environment variable"),
        ({"request": {"messages": []}}, "request is 'messages': a request has this field from"),
        ({"request": {"Authorization": "sk-1"}}, "request is 'Authorization': a request has"),
        ({"request": {"top_p": math.nan}}, "only JSON values can be stored"),
        ({"timeout": 0.0}, "timeout is 0.0: a number of seconds above 0"),
        ({"retries": -1}, "retries is -1: a whole number from 0"),
        ({"parallel": 0}, "parallel is 0: a whole number from 1"),
        ({"parallel": 65}, "parallel is 65: a whole number from 1 to 64"),
        ({"per_minute": 0.0}, "per_minute is 0.0: a number above 0"),
        ({"input_price": 1.0}, "either both prices are set or none"),
    ],
)
def test_wrong_settings(change: dict[str, Any], sentence: str):
    with pytest.raises(InputError) as error:
        endpoint(**change)
    assert sentence in str(error.value) and "sk-1" not in str(error.value)


def test_a_request_has_the_prompt_and_is_deterministic():
    assert endpoint().body(MESSAGES, LABELS, seed=3) == {
        "model": "tiny",
        "messages": MESSAGES,
        "temperature": 0.0,
        "max_tokens": 16,
    }
    assert endpoint().body(MESSAGES, WRITTEN, 0)["max_tokens"] == WRITTEN.decoding.max_new_tokens


def test_fields_of_a_request_are_added_changed_and_left_out():
    request = {"temperature": 0.7, "max_tokens": None, "reasoning_effort": "low"}
    body = endpoint(request=request).body(MESSAGES, LABELS, seed=3)
    del body["messages"]
    assert body == {"model": "tiny", "temperature": 0.7, "seed": 3, "reasoning_effort": "low"}
    unsampled = endpoint(request={"temperature": None, "seed": None}).body(MESSAGES, LABELS, seed=3)
    assert unsampled.keys() == {"model", "messages", "max_tokens"}


def test_what_changes_no_answer_is_no_part_of_a_record():
    machine: dict[str, Any] = dict(
        key="A_KEY", timeout=1.0, retries=1, parallel=2, per_minute=3.0, cache="/x"
    )
    row = endpoint(request={"seed": 1}, input_price=1.0, output_price=2.0, **machine)
    assert row.of_record == endpoint(
        request={"seed": 1},
        input_price=1.0,
        output_price=2.0,
        key="OPENAI_API_KEY",
    )


def test_replies_are_labels_or_no_answer(server: ChatServer, tmp_path: Path):
    replies = {"warm": " **Positive**.", "cold": "It is negative", "dull": "Poor\n"}
    server.respond = lambda body, number: (
        200,
        completion(replies[body["messages"][0]["content"].split()[1]]),
    )
    settings = endpoint(server.address, input_price=1.0, output_price=100.0)
    answered = answer(settings, LABELS, tmp_path)
    answers: Any = answered.answers
    assert answers.predicted.tolist() == [1, -1, 0, 1] and answers.not_finite == 1
    assert answers.metrics["accuracy"] == 0.75
    assert answered.request_tokens == 20
    assert answered.request_price == pytest.approx((20 * 1 + 2 * 100) / 1e6)
    assert answered.seconds is not None and answered.seconds > 0
    assert len(server.requests) == 3  # two test rows have the same input


def test_replies_are_texts_or_numbers(server: ChatServer, tmp_path: Path):
    server.respond = lambda body, number: (200, completion(" it is good\n"))
    texts = answer(endpoint(server.address), WRITTEN, tmp_path).answers
    assert texts.metrics["exact_match"] == 0.5 and texts.not_finite == 0
    server.respond = lambda body, number: (200, completion(("4", "1.5", "many")[number % 3]))
    numbers = answer(endpoint(server.address, parallel=1), NUMBERS, tmp_path).answers
    assert numbers.not_finite == 1


def test_a_seed_samples_its_own_answers(server: ChatServer, tmp_path: Path):
    sampled = endpoint(server.address, request={"temperature": 1.0})
    for seed in (0, 1, 1):
        answer(sampled, LABELS, tmp_path, seed=seed)
    assert sorted(body["seed"] for body in server.requests) == [0] * 3 + [1] * 3
    for seed in (0, 1):
        answer(endpoint(server.address), LABELS, tmp_path, seed=seed)
    assert len(server.requests) == 9  # without sampling, seeds share the replies


def test_a_shared_cache_saves_requests(server: ChatServer, tmp_path: Path):
    settings = endpoint(server.address, cache=str(tmp_path / "cache"))
    for name in ("one", "other"):
        answer(settings, LABELS, tmp_path / name)
    assert len(server.requests) == 3 and not (tmp_path / "one").exists()


def test_a_split_that_is_not_asked_for(tmp_path: Path):
    pytest.importorskip("openai", reason="the extra `endpoint` is not installed")
    assert source(endpoint(), LABELS, tmp_path).answer("dev", LABELS.test) is None


def test_what_is_missing_before_anything_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refusal(settings: Endpoint) -> str:
        with pytest.raises(InputError) as error:
            settings.client(tmp_path)
        return str(error.value)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.delenv("TINY_KEY", raising=False)
    assert "endpoint.key is 'TINY_KEY': this environment" in refusal(endpoint(key="TINY_KEY"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'adaptlab[endpoint]'" in refusal(endpoint())


def test_the_cache_says_what_was_asked(server: ChatServer, tmp_path: Path):
    answer(endpoint(server.address), LABELS, tmp_path)
    [file] = (tmp_path / "endpoint").glob("tiny-*.jsonl")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert all(line.keys() == {"request", "reply"} for line in lines)
    assert {line["request"]["messages"][0]["content"] for line in lines} == {
        f"a {word} film\nVerdict:" for word in ("warm", "cold", "dull")
    }
