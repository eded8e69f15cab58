"""Metrics as JSON lines and for TensorBoard: once each, whatever interrupts the run."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from research.common.errors import InputError
from research.records.measurements import Evaluation
from research.records.metrics_log import MetricsLog
from research.records.store import RunStore
from tests.records.tensorboard_files import expected_scalars, read_by_tensorboard
from tests.run_records import make_record

STAGES: list[list[list[Any]]] = [
    [[30, 0.75, 0.5, 0.7], [60, 0.5, 0.625, 0.6]],
    [[30, 0.25, 0.75, None], [40, 0.125, 0.75, 0.5]],
]
RECORD = make_record(
    seed=3,
    run_id="abc",
    approach="soft prompt / LoRA",
    task="films",
    regime="4-shot",
    metrics={"dev": {"accuracy": 0.75}, "test": {"accuracy": 0.5}},
    history=tuple(tuple(Evaluation(*row) for row in stage) for stage in STAGES),
)
RUN: Any = SimpleNamespace(
    id="abc",
    seeds=SimpleNamespace(sample=3),
    cell=SimpleNamespace(
        approach=SimpleNamespace(name="soft prompt / LoRA"),
        task=SimpleNamespace(name="films"),
        regime="4-shot",
    ),
)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics" / "abc.jsonl").open()]


def evaluations() -> Iterator[dict[str, Any]]:
    for stage, history in enumerate(STAGES):
        for step, loss, score, dev_loss in history:
            yield {
                "run_id": "abc",
                "stage": stage,
                "step": step,
                "train_loss": loss,
                "dev_score": score,
                "dev_loss": dev_loss,
            }


def test_lines_come_as_they_are_made_and_once(tmp_path: Path):
    """The second process resumes in the second stage, after a kill within a line."""
    tracker = MetricsLog(tmp_path, tensorboard=True)
    first = tracker.live(RUN, [])
    for count in (0, 1, 1, 2):
        first(STAGES[0][:count])
        assert lines(tmp_path) == list(evaluations())[:count]
    tracker.live(RUN, STAGES[:1])(STAGES[1][:1])
    assert lines(tmp_path) == list(evaluations())[:3]
    with (tmp_path / "metrics" / "abc.jsonl").open("a") as file:
        file.write('{"run_id": "ab')
    [events] = (tmp_path / "tensorboard").rglob("events*")
    events.rename(events.with_name("events.out.tfevents.1.killed"))
    resumed = MetricsLog(tmp_path, tensorboard=True)
    second = resumed.live(RUN, STAGES[:1])
    second(STAGES[1][:1])
    second(STAGES[1])
    assert lines(tmp_path) == list(evaluations())
    before = replace(RECORD, metrics={"dev": RECORD.metrics["dev"]})
    for record in (before, RECORD):
        resumed.finish(record)
        last = {"run_id": "abc", "status": "finished", "metric": "accuracy", **record.metrics}
        assert lines(tmp_path) == [*evaluations(), last]
        assert read_by_tensorboard(tmp_path, record) == expected_scalars(record)
    assert expected_scalars(RECORD)["train/loss"][-1] == (100, 0.125)


def test_every_run_of_a_sweep_has_its_lines_and_no_board_unless_asked(swept: Path):
    ids = RunStore(swept).ids()
    assert {path.stem for path in (swept / "metrics").iterdir()} == set(ids)
    assert not (swept / "tensorboard").exists()
    for record in RunStore(swept).all():
        found = [json.loads(line) for line in (swept / "metrics" / f"{record.run_id}.jsonl").open()]
        steps = [line["step"] for line in found[:-1]]
        assert steps == [entry[0] for history in record.history for entry in history]
        assert found[-1]["dev"] == record.metrics["dev"]
        assert found[-1].get("test") == record.metrics.get("test")


def test_without_the_library_a_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match=r"pip install 'adaptlab\[tensorboard\]'"):
        MetricsLog(tmp_path, tensorboard=True)
