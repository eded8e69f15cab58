"""Whole sweeps of generation tasks: from training on texts to the table."""

import csv
from pathlib import Path
from typing import Any

import pytest

from research.sweeps.ledger import Ledger
from tests import films


def write_texts(path: Path, begin: int, end: int) -> str:
    """Films and what is said of them."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "said"))
        for text, label in films.films(begin, end):
            writer.writerow((text, f"it is {label}"))
    return str(path)


def settings(folder: Path) -> dict[str, Any]:
    """The plain data of an experiment on what lies in `folder`."""
    full = {"method": {"name": "full"}}
    return films.settings(folder) | {
        "task": {
            "source": "text_file",
            "name": "said",
            "train": write_texts(folder / "train.csv", 0, 40),
            "test": write_texts(folder / "test.csv", 40, 48),
            "target": "said",
            "metric": "exact_match",
            "format": r"it is \w+",
            "templates": ("{text}\nSaid:",),
            "decoding": {"max_new_tokens": 10},
        },
        "approaches": [
            {"name": "zero-shot", "trials": "templates"},
            {"name": "full", "stages": [full], "trials": [{"learning_rate": 0.03}]},
        ],
        "schedule": {"steps": 100, "batch_size": 16, "eval_every": 50},
        "regimes": ("16",),
        "seeds": 1,
        "search_seeds": 1,
    }


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of that experiment."""
    folder = tmp_path_factory.mktemp("texts")
    films.write_backbone(folder / "backbone")
    return films.run(settings(folder), folder / "results")


def runs_of(folder: Path, row: str) -> list[dict]:
    found = [one for one in Ledger(folder).all() if one["approach"] == row]
    return [one for one in found if one["metrics"]["test"]]


def test_training_teaches_to_write(texts: Path):
    before, after = runs_of(texts, "zero-shot"), runs_of(texts, "full")
    assert len(before) == len(after) == 1
    for record in after:
        metrics = record["metrics"]["test"]
        assert metrics["exact_match"] >= 0.5 and metrics["format"] == 1.0
        assert record["metrics"]["dev"]["loss"] < before[0]["metrics"]["dev"]["loss"] / 4
        assert record["notes"]["not_learned"] is None and record["n_train"] == 16
    assert all(record["metrics"]["test"]["exact_match"] == 0 for record in before)
