"""Tasks of multiple choice from their files to the table."""

import json
from pathlib import Path

import pytest

from research.common.errors import InputError
from research.experiments.experiment import Experiment
from research.records.predictions.choices import ChoicePredictions
from research.records.store import RunStore
from research.reporting.checks.recompute import recompute_runs
from research.tasks.metrics.choice import CHOICE_METRICS
from tests import films
from tests.sweeps.family_experiments import by_row, prepared, trained

BASELINES = {"most frequent position", "longest choice", "TF-IDF of question and choice"}


def write_questions(path: Path, begin: int, end: int) -> str:
    """Questions `begin` to `end` with two or three choices, of which a good film's is right."""
    lines = []
    for number in range(begin, end):
        words = [films.WORDS["bad"][(number + i) % 5] for i in range(1 + number % 2)]
        good = films.WORDS["good"][number % 5]
        words.insert(number % (len(words) + 1), f"{good} a film" if number % 3 else good)
        text = " ".join(["a film", *["very"] * (number % 7), "good" if number > 30 else ""])
        answer = next(i for i, word in enumerate(words) if word.startswith(good))
        row = {"question": f"{text} {number}", "choices": words, "answer": answer}
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def config(folder: Path, plain: dict, approaches: list) -> dict:
    files = {
        "train": write_questions(folder / "train.jsonl", 0, 40),
        "test": write_questions(folder / "test.jsonl", 40, 52),
    }
    task = {**files, "source": "choice_file", "name": "choose", "templates": "{question} It was"}
    few = {"seeds": 1, "search_seeds": 1, "regimes": ("12",)}
    return {**plain, **few, "task": task, "approaches": approaches}


LORA = {"name": "lora", "rank": 2, "targets": ("query", "value", "down")}
CONTRAST = {"steps": 40, "batch_size": 4, "eval_every": 20, "objective": "choices"}
ROWS = [
    {"name": "zero-shot"},
    {"name": "few-shot", "demonstrations": 2, "prior": "domain", "scoring": "fixed"},
    {"name": "information", "demonstrations": 1, "prior": "empty", "scoring": "fixed"},
    {"name": "LoRA", "stages": [{"method": LORA}], "trials": [{"learning_rate": 0.03}]},
    {
        "name": "LoRA against the others",
        "stages": [{"method": LORA, "schedule": CONTRAST}],
        "trials": [{"learning_rate": 0.03}],
    },
]


def check(results: Path, rows: set[str]) -> None:
    """Every row has a score, and the files of predictions give what the records hold."""
    records = by_row(results)
    assert records.keys() == rows | BASELINES
    for record in records.values():
        _, found = RunStore(results).load(record.run_id)
        assert isinstance(found, ChoicePredictions) and len(found.gold) == 12
        assert record.metrics["test"] == pytest.approx(found.metrics(), abs=1e-6)
        assert {*CHOICE_METRICS, "cross_entropy", "loss"} == record.metrics["dev"].keys()
    assert not recompute_runs(results).damaged


@pytest.mark.thorough
def test_a_decoder_prompted_and_trained_in_both_ways(tmp_path: Path):
    films.write_inputs(tmp_path)
    plain = config(tmp_path, films.settings(tmp_path), ROWS)
    results = films.run(plain, tmp_path / "results")
    check(results, {row["name"] for row in ROWS})
    records = {r.approach: r for r in RunStore(results).all() if r.tested}
    search = [r for r in RunStore(results).all() if r.approach == "zero-shot"]
    assert {r.trial["normalisation"] for r in search} == {"sum", "characters", "tokens"}
    losses = [row.train_loss for row in records["LoRA against the others"].history[0]]
    assert losses[-1] < losses[0]
    table = (results / "table.md").read_text()
    assert "few-shot" in table and "longest choice" in table


@pytest.mark.thorough
def test_a_t5(tmp_path: Path):
    stages = [{"method": {"name": "prefix", "length": 2}, "schedule": CONTRAST}]
    rows = [ROWS[0], {"name": "prefix", "stages": stages, "trials": [{"learning_rate": 0.1}]}]
    plain = config(tmp_path, prepared(tmp_path, "t5", ("eos",), []), rows)
    check(films.run(plain, tmp_path / "results"), {"zero-shot", "prefix"})


@pytest.mark.thorough
def test_an_encoder_with_a_head_for_each_choice(tmp_path: Path):
    rows = [trained("head", {"name": "head"}, {"name": "full"})]
    rows[0]["trials"] = [{"learning_rate": 3e-3}]
    plain = config(tmp_path, prepared(tmp_path, "roberta", ("cls", "sep"), []), rows)
    check(films.run(plain, tmp_path / "results"), {"head"})


@pytest.mark.thorough
def test_a_masked_language_model_without_a_head_is_refused(tmp_path: Path):
    special = ("cls", "sep", "mask")
    plain = config(tmp_path, prepared(tmp_path, "bert", special, []), [{"name": "zero-shot"}])
    with pytest.raises(InputError, match="route is 'masked'"):
        films.run(plain, tmp_path / "results")


@pytest.mark.thorough
def test_labels_that_compete(tmp_path: Path):
    """The objective is also one of tasks with labels; a head and generated texts have no use."""
    films.write_inputs(tmp_path)
    plain = films.settings(tmp_path) | {"seeds": 1, "search_seeds": 1, "regimes": ("8-shot",)}
    row = {**ROWS[4], "trials": [{"learning_rate": 0.03}]}
    records = by_row(films.run({**plain, "approaches": [row]}, tmp_path / "results"))
    losses = [evaluation.train_loss for evaluation in records[row["name"]].history[0]]
    assert losses[-1] < losses[0]
    text = {**row, "answer_by": "text"}
    with pytest.raises(InputError, match="schedule.objective is 'choices': the task's answers"):
        films.run({**plain, "approaches": [text]}, tmp_path / "texts")
    smooth = {**CONTRAST, "label_smoothing": 0.1}
    with pytest.raises(InputError, match="label_smoothing is 0.1: it spreads a target"):
        Experiment.parse(
            {**plain, "approaches": [{**row, "stages": [{"method": LORA, "schedule": smooth}]}]}
        )
