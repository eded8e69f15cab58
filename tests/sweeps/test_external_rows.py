"""Whole sweeps with rows that an external model answers: from its answers to the table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from absl.testing import flagsaver

from research.common.errors import InputError
from research.experiments.experiment import Experiment
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.reporting.grid.grid import read_grid
from research.sweeps.single_run import RunRequest, train_run
from scripts import report
from scripts import sweep as script
from tests import films
from tests.evaluation.answer_sources.chat_server import ChatServer, chat_server, completion

KEY = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    pytest.importorskip("openai", reason="the extra `endpoint` is not installed")
    with chat_server() as running:
        running.respond = reply
        yield running


def reply(body: dict[str, Any], number: int) -> tuple[int, str]:
    """The right label, which is not said of film 47."""
    prompt = body["messages"][-1]["content"]
    good = any(word in prompt for word in films.WORDS["good"])
    said = "I cannot say" if "47" in prompt else "Good." if good else "bad"
    return 200, completion(said)


def write_answers(tiny: Path, folder: Path, answers: list[Any], **fields: Any) -> str:
    """Writes answers to the test rows of the films; returns the path for a config."""
    experiment = Experiment.parse(films.settings(tiny))
    [task] = (settings.load() for settings in experiment.tasks)
    rows = [
        {"input": dict(example.fields), "answer": answer, **fields}
        for example, answer in zip(task.test, answers, strict=True)
    ]
    file = folder / "answers-films.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(folder / "answers-{task}.jsonl")


def runs_of(folder: Path, row: str) -> list[RunRecord]:
    return [record for record in RunStore(folder).all() if record.approach == row]


def config(folder: Path, *rows: dict[str, Any]) -> dict[str, Any]:
    """The experiment with the zero-shot row and these."""
    settings = films.settings(folder)
    return {**settings, "approaches": [settings["approaches"][0], *rows]}


def checked(folder: Path) -> None:
    assert report.main([str(folder), "--check"]) == 0


def test_answers_of_a_file_are_a_row(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    answers = ["good", "bad"] * 3 + ["bad", None]
    file = write_answers(tiny, tmp_path, answers, prompt_tokens=10, answer_tokens=1)
    row = {"name": "API", "answers": {"file": file, "input_price": 2.0, "output_price": 8.0}}
    folder = films.run(config(tiny, row), tmp_path / "results")
    records = runs_of(folder, "API")
    assert len(records) == 3 and all(record.tested for record in records)
    for record in records:
        assert record.metrics["test"]["accuracy"] == 0.75
        assert record.notes.not_finite == {"test": 1} and record.backbone is None
        assert record.costs.trained_params is None and record.costs.test_seconds is None
        assert record.costs.request_price == pytest.approx(28e-6)
        assert record.robustness and "label" in record.robustness.groups
        assert record.settings["answers"] and "dev" not in record.metrics
    grid = read_grid(folder)
    cell = grid.cells["API", "films", "4-shot"]
    assert "API" in grid.baselines and cell.not_finite == 3 and not cell.broken
    interval = cell.score()
    assert interval.low < interval.score == 0.75 < interval.high
    assert "API" in {key[0] for key in grid.best}  # by far the best, in spite of an item without
    table, costs = ((folder / name).read_text() for name in ("table.md", "costs.md"))
    assert "Replies of external models that are no answer count as wrong" in table
    assert "API, films, 4-shot 3 of 24" in table and "| 0.028 |" in costs
    assert "| API | 12.5 |" in table  # without an answer
    assert report.main([str(folder), "--advise", "--bytes", "1e9"]) == 0
    advice = capsys.readouterr().out
    assert "violates bytes stored" in advice  # which are not known
    assert "of external models: it is not known (API)." in advice and "(API, " not in advice
    checked(folder)


def test_other_answers_are_another_run(tiny: Path, tmp_path: Path):
    def ids(answers: list[Any]) -> set[str]:
        row = {"name": "API", "answers": {"file": write_answers(tiny, tmp_path, answers)}}
        folder = films.run(config(tiny, row), tmp_path / answers[0])
        return {record.run_id for record in runs_of(folder, "API")}

    assert not ids(["good"] * 8) & ids(["bad"] * 8)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"answers": {"file": "none.jsonl"}}, "answers.file is 'none.jsonl': a file of answers"),
        ({"answers": {}}, "config.approaches[1].answers.file is None: the field is required"),
        ({"answers": {"file": "x", "demonstrations": 1}}, "not a field here"),
        (
            {"answers": {"file": "x"}, "demonstrations": 1},
            "approaches[1].demonstrations is 1: a row with answers does not use this field",
        ),
        (
            {"answers": {"file": "x"}, "trials": "templates"},
            "approaches[1].trials is 'templates': a row with answers does not use this field",
        ),
        (
            {"answers": {"file": "x"}, "baseline": "majority class"},
            "a row has one of baseline, answers, endpoint",
        ),
        (
            {"endpoint": {"address": "http://h/v1", "model": "m"}, "prior": "domain"},
            "approaches[1].prior is 'domain': a row with endpoint does not use this field",
        ),
        (
            {"endpoint": {"address": "http://h/v1", "model": "m"}, "demonstrations": "fit"},
            "approaches[1].demonstrations is 'fit': a number is expected, since the context",
        ),
        (
            {"endpoint": {"address": "http://h/v1", "model": "m", "key": None}, "template": 2},
            "template is 2: task films has the templates 0 to 1",
        ),
        (
            {"endpoint": {"address": "http://h/v1", "model": "m"}, "trials": [{"modle": "n"}]},
            "trials is 'modle': did you mean 'model'? allowed are choice, ",
        ),
    ],
)
def test_a_mistake_in_a_row(tiny: Path, tmp_path: Path, row: dict[str, Any], sentence: str):
    with pytest.raises(InputError) as error:
        films.run(config(tiny, {"name": "API", **row}), tmp_path / "results")
    assert sentence in str(error.value) and not (tmp_path / "results" / "runs").exists()


def test_a_missing_row_stops_the_sweep_before_it_begins(tiny: Path, tmp_path: Path):
    file = write_answers(tiny, tmp_path, ["good"] * 8)
    path = Path(file.replace("{task}", "films"))
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match="1 of the 8 examples of test have no answer"):
        films.run(config(tiny, {"name": "API", "answers": {"file": file}}), tmp_path / "results")
    assert not (tmp_path / "results").exists()


def endpoint(server: ChatServer, **changes: Any) -> dict[str, Any]:
    settings = {"address": server.address, "model": "tiny", "key": "TINY_KEY", "retries": 0}
    prices = {"input_price": 1.0, "output_price": 2.0}
    return {"name": "endpoint", "endpoint": {**settings, **prices, **changes}}


def test_an_endpoint_is_a_row(
    tiny: Path, tmp_path: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TINY_KEY", KEY)
    folder = films.run(config(tiny, endpoint(server)), tmp_path / "results")
    assert len(server.requests) == 8 and set(server.keys) == {f"Bearer {KEY}"}
    records = runs_of(folder, "endpoint")
    for record in records:
        assert record.metrics["test"]["accuracy"] == 7 / 8 and record.metrics.keys() == {"test"}
        assert record.notes.not_finite == {"test": 1}
        assert record.costs.request_tokens == 20 and record.costs.test_seconds is not None
        assert record.costs.request_price == pytest.approx(24e-6)
        assert "KEY" not in json.dumps(record.to_json()).replace("OPENAI_API_KEY", "")
    assert len(records) == 3
    for path in folder.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()
    checked(folder)


def test_dev_chooses_between_prompts_of_an_endpoint(
    tiny: Path, tmp_path: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
):
    """The system turn and the instruction of the experiment are those of the endpoint too."""

    def respond(body: dict[str, Any], number: int) -> tuple[int, str]:
        system, user = (message["content"] for message in body["messages"])
        assert system == "You are a critic."
        right = user.startswith("Good or bad?\n\nFilm: ")
        return reply(body, number) if right else (200, completion("neither"))

    monkeypatch.setenv("TINY_KEY", KEY)
    server.respond = respond
    row = endpoint(server) | {"trials": [{"template": 0}, {"template": 1}]}
    prompt = {"system": "You are a critic.", "instruction": "Good or bad?", "chat": "auto"}
    folder = films.run(config(tiny, row) | {"prompt": prompt}, tmp_path / "results")
    records = runs_of(folder, "endpoint")
    assert {record.trial["template"] for record in records if record.tested} == {1}
    for record in records:
        assert record.score("dev") == float(record.trial["template"])
        assert "train" not in record.metrics
    checked(folder)


def test_an_endpoint_may_have_demonstrations(
    tiny: Path, tmp_path: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TINY_KEY", KEY)
    row = endpoint(server) | {"demonstrations": 2}
    folder = films.run(config(tiny, row), tmp_path / "results")
    assert len(server.requests) == 3 * 8  # each seed draws its own
    for body in server.requests:
        roles = [message["role"] for message in body["messages"]]
        assert roles == ["user", "assistant"] * 4 + ["user"]
        for user, answer in zip(body["messages"][:8:2], body["messages"][1:8:2], strict=True):
            assert any(word in user["content"] for word in films.WORDS[answer["content"]])
    assert "endpoint (4 demonstrations)" in (folder / "table.md").read_text()
    checked(folder)


def test_a_server_that_fails_loses_nothing(
    tiny: Path, tmp_path: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TINY_KEY", KEY)
    refused: list[str] = []

    def respond(body: dict[str, Any], number: int) -> tuple[int, str]:
        prompt = body["messages"][-1]["content"]
        if "46" in prompt:
            refused.append(prompt)
            return 401, f"wrong key {KEY}"
        return reply(body, number)

    server.respond = respond
    folder = films.run(config(tiny, endpoint(server)), tmp_path / "results")
    failures = (folder / "failures.json").read_text()
    assert "the server refuses with status 401: wrong key ***" in failures
    table = (folder / "table.md").read_text()
    assert "failed" in table and "zero-shot" in table
    server.respond = reply
    films.run(config(tiny, endpoint(server)), folder)
    assert len(server.requests) == 8 + len(refused)  # the others are asked once
    assert all(record.tested for record in runs_of(folder, "endpoint"))
    checked(folder)


@pytest.mark.thorough
def test_worker_processes_send_each_request_once(
    tiny: Path, tmp_path: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TINY_KEY", KEY)
    experiment = config(tiny, endpoint(server)) | {"workers": 2}
    folder = films.run(experiment, tmp_path / "results")
    assert len(server.requests) == 8 and set(server.keys) == {f"Bearer {KEY}"}
    assert all(record.tested for record in runs_of(folder, "endpoint"))
    checked(folder)


def test_a_single_run_leaves_test_to_a_sweep(
    tiny: Path, tmp_path: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
):
    """Without trials to choose from, nothing is asked."""
    monkeypatch.setenv("TINY_KEY", KEY)
    experiment = Experiment.parse(config(tiny, endpoint(server)))
    record = train_run(experiment, tmp_path, RunRequest("endpoint"), lambda progress: None)
    assert record.metrics == {} and not server.requests


def test_a_key_that_is_not_set_stops_the_sweep_before_it_begins(
    tiny: Path, tmp_path: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("TINY_KEY", raising=False)
    with pytest.raises(InputError, match="endpoint.key is 'TINY_KEY': this environment variable"):
        films.run(config(tiny, endpoint(server)), tmp_path / "results")
    assert not server.requests and not (tmp_path / "results").exists()


def test_the_sweep_writes_the_questions(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "config.py"
    source = "from ml_collections import ConfigDict\ndef get_config():\n"
    file.write_text(f"{source}    return ConfigDict({films.settings(tiny)!r})\n")
    results, questions = tmp_path / "results", tmp_path / "questions"
    paths = {"config": file, "results": results, "questions": questions}
    with flagsaver.flagsaver():
        script.read_flags(["sweep.py", *(f"--{name}={path}" for name, path in paths.items())])
        script.main([])
    rows = [json.loads(line) for line in (questions / "films.jsonl").read_text().splitlines()]
    assert len(rows) == 8 and not results.exists()
    assert capsys.readouterr().out == f"{questions / 'films.jsonl'}\n"
    answered = [{**row, "answer": "good"} for row in rows]
    lines = "".join(json.dumps(row) + "\n" for row in answered)
    (questions / "films.jsonl").write_text(lines)
    row = {"name": "API", "answers": {"file": str(questions / "{task}.jsonl")}}
    folder = films.run(config(tiny, row), results)
    assert runs_of(folder, "API")[0].metrics["test"]["accuracy"] == 0.5
