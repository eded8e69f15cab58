"""Chat rows and plain rows in one table, and served as they were tested."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.records.schema import RunRecord
from research.records.store import RunStore
from research.reporting.build import check_tables
from tests import films

SYSTEM = "You judge films."
TEMPLATE = "{text}\nVerdict:"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone with room for chats, whose tokenizer has a chat template."""
    made = tmp_path_factory.mktemp("chat")
    films.write_backbone(made / "backbone", context=256, chat_template=films.CHAT)
    films.write_csv(made / "train.csv", films.films(0, 40))
    films.write_csv(made / "test.csv", films.films(40, 48))
    return made


@pytest.fixture(scope="module")
def results(folder: Path) -> Path:
    config: dict[str, Any] = films.settings(folder)
    lora = {"method": {"name": "lora", "rank": 2}}
    config |= {"seeds": 1, "search_seeds": 1, "keep_trained": True, "regimes": ("2-shot",)}
    config["task"]["templates"] = (TEMPLATE,)
    config["prompt"] = {"system": SYSTEM}
    fixed, trained = {"scoring": "fixed"}, {"stages": [lora], "trials": [{"learning_rate": 1.0}]}
    config["approaches"] = [
        {"name": "plain", **fixed},
        {"name": "chat", "chat": True, **fixed},
        {"name": "chat, few-shot", "chat": "auto", "demonstrations": 1, **fixed, **trained},
        {"name": "chat, LoRA", "chat": True, "instruction": "Good or bad?", **trained},
        {"name": "chosen", "trials": [{"chat": False}, {"chat": True}]},
    ]
    return films.run(config, folder / "results")


def record_of(results: Path, row: str) -> RunRecord:
    [record] = [r for r in RunStore(results).all() if r.approach == row and r.tested]
    return record


def test_the_table_names_the_rows_that_are_chats(results: Path):
    assert check_tables(results) == []
    approaches = {row: record_of(results, row).configuration.approach for row in ("plain", "chat")}
    assert approaches["plain"]["chat"] is False and approaches["plain"]["system"] == ""
    assert approaches["chat"]["chat"] is True and approaches["chat"]["system"] == SYSTEM
    assert record_of(results, "chat, few-shot").configuration.approach["chat"] is True
    rows = ["chat", "chat, few-shot", "chat, LoRA"]
    if record_of(results, "chosen").configuration.approach["chat"]:
        rows.append("chosen")
    note = f"Chat prompts, by the chat template of the tokenizer: {'; '.join(rows)}."
    assert note in (results / "table.md").read_text().replace("\n", " ")


def test_a_chat_and_a_plain_prompt_are_scored_differently(results: Path):
    scores = [
        RunStore(results).load(record_of(results, row).run_id)[1].scores  # pyright: ignore
        for row in ("plain", "chat", "chat, few-shot")
    ]
    assert not np.allclose(scores[0], scores[1]) and not np.allclose(scores[1], scores[2])
    added = [record_of(results, row).costs.added_tokens for row in ("plain", "chat")]
    assert added[0] == 0 < added[1]  # pyright: ignore[reportOptionalOperand]
    assert all(record_of(results, row).notes.bos for row in ("plain", "chat"))


@pytest.mark.parametrize("row", ["chat, few-shot", "chat, LoRA"])
def test_rows_are_served_as_they_were_tested(row: str, results: Path, run):
    record = record_of(results, row)
    lines = [json.dumps({"adapter": "a", "text": text}) for text, _ in films.films(40, 48)]
    adapters = {"a": {"results": str(results), "run": record.run_id}}
    code, answers, said = run(adapters, lines)
    assert (code, said) == (0, "")
    stored = RunStore(results).load(record.run_id)[1]
    served = np.array([[answer["scores"][label] for label in record.labels] for answer in answers])
    np.testing.assert_allclose(served, stored.scores, rtol=0, atol=1e-4)  # pyright: ignore


def test_a_chat_is_served_without_a_run(results: Path, run):
    record = record_of(results, "chat")
    lines = [json.dumps({"adapter": "a", "text": text}) for text, _ in films.films(40, 48)]
    labels = {label: label for label in record.labels}
    wording = {"template": TEMPLATE, "verbalizer": labels, "chat": True, "system": SYSTEM}
    code, answers, said = run({"a": wording}, lines)
    assert (code, said) == (0, "")
    stored = RunStore(results).load(record.run_id)[1]
    served = np.array([[answer["scores"][label] for label in record.labels] for answer in answers])
    np.testing.assert_allclose(served, stored.scores, rtol=0, atol=1e-4)  # pyright: ignore
    code, _, said = run({"a": {**wording, "chat": False}}, lines)
    assert code == 2 and "system is 'You judge films.': only a chat has it" in said
