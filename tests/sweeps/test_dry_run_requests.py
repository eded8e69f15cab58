"""A plan counts the requests, tokens and price of rows that ask a server."""

import json
from pathlib import Path
from typing import Any

import pytest

from research.common.hashing import canonical
from research.evaluation.answer_sources.reply_cache import reply_file
from research.experiments.experiment import Experiment
from research.reporting.tables.dry_run import dry_run_table
from research.runs.context import open_context
from research.runs.without_backbone import endpoint_requests
from research.sweeps.dry_run.dry_run import DryRun, plan_only
from research.sweeps.dry_run.machine import Machine
from research.sweeps.dry_run.requests import Requests
from tests import films
from tests.evaluation.answer_sources.chat_server import ChatServer, chat_server

MACHINE = Machine(flops=1e12, half_rate=0, workers=2)
SERVER: dict[str, Any] = {"address": "http://127.0.0.1:1/v1", "model": "tiny", "key": None}
PRICES = {"input_price": 1.0, "output_price": 2.0}


def with_rows(config: dict[str, Any], *rows: dict[str, Any]) -> dict[str, Any]:
    return {**config, "approaches": [config["approaches"][0], *rows]}


def planned(config: dict[str, Any], *rows: dict[str, Any], folder: str = "nowhere") -> DryRun:
    experiment = Experiment.parse(with_rows(config, *rows))
    return plan_only(experiment, Path(folder), machine=MACHINE)


def asking(config: dict[str, Any], **changes: Any) -> Requests:
    """The requests of one row."""
    endpoint = {**SERVER, **changes.pop("endpoint", {})}
    requests = planned(config, {"name": "API", "endpoint": endpoint, **changes}).requests
    assert requests is not None
    return requests


def test_equal_requests_are_sent_once(config: dict):
    assert asking(config).count == 8  # all seeds have the same prompts
    assert asking(config, demonstrations=1).count == 3 * 8
    assert asking(config, endpoint={"request": {"temperature": 1.0}}).count == 3 * 8
    # Dev chooses: 8 rows for each of two seeds and two trials, then those of the third seed.
    assert 24 < asking(config, trials=[{"template": 0}, {"template": 1}]).count <= 2 * 16 + 8 + 8
    twice = planned(config, *({"name": n, "endpoint": SERVER} for n in ("API", "again")))
    counts = [row.requests.count for row in twice.rows if row.requests is not None]
    assert counts == [8, 0]


@pytest.mark.thorough
def test_money_is_that_of_prompt_tokens_and_of_the_longest_answers(config: dict):
    free, priced = asking(config), asking(config, endpoint=PRICES)
    assert free.price is None and priced.answer_tokens == 8 * 16
    assert priced.price == pytest.approx((priced.prompt_tokens + 2 * priced.answer_tokens) / 1e6)
    short = asking(config, endpoint={**PRICES, "request": {"max_tokens": 4}})
    assert short.answer_tokens == 8 * 4 and short.prompt_tokens == priced.prompt_tokens
    assert asking(config, instruction="Is it good?").prompt_tokens > 8 * 3 + priced.prompt_tokens


def test_a_rate_limit_takes_time_that_no_second_worker_saves(config: dict):
    limited = asking(config, endpoint={"per_minute": 2})
    assert limited.seconds == pytest.approx(8 * 30)
    row = {"name": "API", "endpoint": {**SERVER, "per_minute": 2}}
    assert planned(config, row).seconds >= 8 * 30 + planned(config).checking
    assert asking(config).seconds < 8 * 30


def test_stored_replies_are_not_asked_for_again(config: dict, tmp_path: Path):
    row = {"name": "API", "endpoint": SERVER}
    experiment = Experiment.parse(with_rows(config, row))
    tasks = {task.name: task.load() for task in experiment.tasks}
    cells = open_context(experiment, tmp_path).cells(experiment, tasks)
    [cell] = [cell for cell in cells if cell.approach.name == "API"]
    bodies = endpoint_requests(cell.final(cell.trials[0])[0], tested=True)
    assert len(bodies) == 8
    reply = {"text": "good", "prompt_tokens": 9, "answer_tokens": 1, "seconds": 40.0}
    lines = [json.dumps({"request": body, "reply": reply}) for body in bodies[:3]]
    file = tmp_path / "endpoint" / reply_file(SERVER["address"], SERVER["model"])
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join([*lines, '{"request": {']))
    before = file.read_bytes()
    plan = planned(config, row, folder=str(tmp_path))
    requests = plan.requests
    assert requests is not None and (requests.count, requests.stored) == (5, 3)
    assert requests.seconds == pytest.approx(5 * 40 / 4)  # four at a time, as long as the stored
    assert file.read_bytes() == before and canonical(bodies[0]) in map(canonical, bodies[:3])
    assert any("3 others have stored replies" in note for note in dry_run_table(plan).notes)


def test_a_file_of_answers_costs_nothing(config: dict, tmp_path: Path):
    row = {"name": "file", "answers": {"file": str(tmp_path / "answers.jsonl"), **PRICES}}
    (tmp_path / "answers.jsonl").write_text("")
    plan = planned(config, row)
    [found] = [row for row in plan.rows if row.approach == "file"]
    assert found.runs == 3 and found.seconds == found.checking == 0
    assert plan.requests is None and "requests" not in str(dry_run_table(plan).heads)


def test_the_table_has_requests_and_money(config: dict):
    plan = planned(config, {"name": "API", "endpoint": {**SERVER, **PRICES}})
    table = dry_run_table(plan)
    assert [head[1] for head in table.heads[-4:]] == ["requests", "tokens", "tokens", "money"]
    cells = {name: [cell.text for cell in row] for name, row in table.rows}
    assert cells["API"][-4] == "8" and cells["zero-shot"][-4:] == [""] * 4
    [(_, total)] = table.baselines
    assert [cell.text for cell in total][-4:] == cells["API"][-4:]
    unpriced = dry_run_table(planned(config, {"name": "API", "endpoint": SERVER}))
    assert unpriced.heads[-1] == ("answer", "tokens")


def test_requests_of_a_task_that_is_not_downloaded(config: dict):
    config["task"] = {
        "source": "file",
        "path": "no/far",
        "name": "far",
        "train": "train",
        "test": "test",
        "templates": ("{text} It was",),
        "verbalizer": {"0": "bad", "1": "good"},
    }
    requests = asking(config, endpoint=PRICES)
    assert (requests.count, requests.prompt_tokens) == (1000, 128_000)


@pytest.mark.thorough
def test_a_sweep_sends_the_planned_requests(tiny: Path, tmp_path: Path):
    pytest.importorskip("openai", reason="the extra `endpoint` is not installed")
    server: ChatServer
    with chat_server() as server:
        row = {
            "name": "API",
            "endpoint": {**SERVER, "address": server.address},
            "trials": [{"template": 0}, {"template": 1}],
            "demonstrations": 1,
        }
        config = films.settings(tiny)
        requests = planned(config, row).requests
        films.run(with_rows(config, row), tmp_path)
        assert requests is not None and len(server.requests) == requests.count
        again = planned(config, row, folder=str(tmp_path)).requests
        assert again is not None and (again.count, again.stored) == (0, requests.count)
