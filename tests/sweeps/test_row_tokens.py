"""A plan counts the tokens of rows as runs encode them."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.experiments.experiment import Experiment
from research.experiments.plan import Run
from research.runs.context import open_context
from research.runs.encode_data import run_data
from research.sweeps.row_tokens import row_lengths
from research.tasks.text_task import TextTask
from tests import films
from tests.thorough import cases

ROOM = 400
CHAT = {"chat": True, "system": "Judge.", "instruction": "Is it good?"}


def write_solutions(file: Path, begin: int, end: int) -> str:
    """Films, why they are good or bad, and whether they are."""
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(("text", "why", "said"))
        writer.writerows(
            (text, f"number {i} is {label}", f"so {label}")
            for i, (text, label) in enumerate(films.films(begin, end))
        )
    return str(file)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An experiment with a chat backbone."""
    folder = tmp_path_factory.mktemp("row_tokens")
    films.write_backbone(folder / "backbone", context=ROOM, chat_template=films.CHAT)
    films.write_csv(folder / "train.csv", films.films(0, 40))
    films.write_csv(folder / "test.csv", films.films(40, 48))
    return films.settings(folder)


@pytest.fixture(scope="module")
def reasoned(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same with texts as answers, and rationales before them."""
    folder = tmp_path_factory.mktemp("reasoned")
    task = {
        "source": "text_file",
        "name": "said",
        "train": write_solutions(folder / "train.csv", 0, 40),
        "test": write_solutions(folder / "test.csv", 40, 48),
        "target": "said",
        "rationale": "why",
        "answer": r"so (\w+)",
        "templates": ("{text}\nSaid:",),
        "decoding": {"max_new_tokens": 12},
    }
    return settings | {"task": task, "regimes": ("4",)}


def check_lengths(settings: dict[str, Any], folder: Path, row: dict[str, Any]) -> None:
    """The planned tokens of a row's training examples are those of a run."""
    approach = {"name": "row", "scoring": "fixed", **row}
    experiment = Experiment.parse(settings | {"approaches": [approach]})
    context = open_context(experiment, folder)
    tasks = {task.name: task.load() for task in experiment.tasks}
    cells = context.cells(experiment, tasks)
    [cell] = [cell for cell in cells if cell.approach.name == "row"]
    run = Run(cell, cell.trials[0], 0)
    data = run_data(run, context.tokenizer, ROOM, "causal")
    task = replace(cell.task, train=data.split.train)
    lengths = row_lengths(task, run.approach, context.tokenizer, "causal", "tokenizer", 100)
    np.testing.assert_array_equal(lengths.prompts, data.train.prompt_length)
    np.testing.assert_array_equal(lengths.targets, data.train.length - data.train.prompt_length)
    assert lengths.shared == data.frame.prefix_length
    assert lengths.new == getattr(data.row_format.encoder, "most", 0)


@pytest.mark.parametrize(
    "row",
    cases(
        (
            {},
            {"template": 1, "target_end": False},
            {"instruction": "Is the film good or bad?"},
            CHAT,
            {"answer_by": "text", "max_new_tokens": 5},
        ),
        quick=[CHAT],
    ),
    ids=lambda row: " ".join(row) or "plain",
)
def test_tokens_of_labels(settings: dict[str, Any], tmp_path: Path, row: dict[str, Any]):
    check_lengths(settings, tmp_path, row)


@pytest.mark.parametrize("rationale", cases([False, True], quick=[True]))
def test_tokens_of_texts(reasoned: dict[str, Any], tmp_path: Path, rationale: bool):
    stage = {"method": {"name": "lora", "rank": 2}}
    check_lengths(reasoned, tmp_path, {"rationale": rationale, "stages": [stage]})


def test_long_texts_are_not_tokenized_as_a_whole(reasoned: dict[str, Any], tmp_path: Path):
    experiment = Experiment.parse(reasoned)
    context = open_context(experiment, tmp_path)
    [task] = [settings.load() for settings in experiment.tasks]
    assert isinstance(task, TextTask)
    long = replace(task.train[0], fields={"text": "x" * 10**6})
    task, prompt = replace(task, train=(long,)), experiment.approaches[0]
    lengths = row_lengths(task, prompt, context.tokenizer, "causal", "tokenizer", 100)
    assert 0 < lengths.prompts[0] < 10**5
