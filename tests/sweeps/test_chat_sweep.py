"""A sweep of texts that are generated and trained as answers of a chat."""

import csv
from pathlib import Path
from typing import Any

import pytest

from research.common.errors import InputError
from research.records.predictions.texts import TextPredictions
from research.records.store import RunStore
from tests import films


def write_texts(file: Path, begin: int, end: int) -> str:
    """Films and what is said of them, in two lines."""
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(("text", "said"))
        writer.writerows((text, f"it is\n{label}") for text, label in films.films(begin, end))
    return str(file)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("chat_texts")
    films.write_backbone(folder / "backbone", context=128, chat_template=films.CHAT)
    full = {"method": {"name": "full"}}
    return films.settings(folder) | {
        "task": {
            "source": "text_file",
            "name": "said",
            "train": write_texts(folder / "train.csv", 0, 40),
            "test": write_texts(folder / "test.csv", 40, 48),
            "target": "said",
            "templates": ("{text}\nSaid:",),
            "decoding": {"max_new_tokens": 12},
            "end": "",
        },
        "prompt": {"chat": True, "system": "Judge."},
        "approaches": [
            {"name": "zero-shot"},
            {"name": "full", "stages": [full], "trials": [{"learning_rate": 0.03}]},
        ],
        "schedule": {"steps": 100, "batch_size": 16, "eval_every": 50},
        "regimes": ("16",),
        "seeds": 1,
        "search_seeds": 1,
    }


def test_texts_are_trained_and_generated_as_answers(settings, tmp_path):
    store = RunStore(films.run(settings, tmp_path))
    records = {record.approach: record for record in store.all() if record.tested}
    assert records["full"].metrics["test"]["exact_match"] >= 0.5
    assert records["zero-shot"].metrics["test"]["exact_match"] == 0
    predictions = store.load(records["full"].run_id)[1]
    assert isinstance(predictions, TextPredictions)
    assert {"it is\ngood", "it is\nbad"} >= set(predictions.outputs[:1])
    assert "Chat prompts" in (tmp_path / "table.md").read_text()


def test_a_chat_that_cannot_be_is_one_sentence_before_training(settings, tmp_path):
    plain = tmp_path / "backbone"
    films.write_backbone(plain, context=128)
    with pytest.raises(InputError, match="chat is True: the tokenizer has no chat template"):
        films.run(settings | {"backbone": str(plain)}, tmp_path / "results")
