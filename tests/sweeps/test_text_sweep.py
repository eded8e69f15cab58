"""Whole sweeps of generation tasks: from training on texts to the table."""

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest

from research.common.errors import InputError
from research.records.predictions.texts import TextPredictions
from research.records.schema import prediction_file
from research.records.store import RunStore
from research.reporting.build import check_tables
from research.reporting.grid.grid import Grid, read_grid
from tests import checkpoints, films
from tests.sweeps.family_experiments import SPECIAL, write_tokenizer


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
    found = [one for one in RunStore(folder).all() if one.approach == row]
    return [one for one in found if one.tested]


def test_training_teaches_to_write(texts: Path):
    before, after = runs_of(texts, "zero-shot"), runs_of(texts, "full")
    assert len(before) == len(after) == 1
    for record in after:
        metrics = record.metrics["test"]
        assert metrics["exact_match"] >= 0.5 and metrics["format"] == 1.0
        assert record.metrics["dev"]["loss"] < before[0].metrics["dev"]["loss"] / 4
        assert record.notes.not_learned is None and record.n_train == 16
    assert all(record.metrics["test"]["exact_match"] == 0 for record in before)


def test_the_table_stands_on_runs_and_texts(texts: Path):
    assert check_tables(texts) == []
    grid = read_grid(texts)
    assert grid.rows == (
        "zero-shot",
        "full",
        "most common target",
        "target of the nearest input",
    )
    for cell in grid.tested():
        recorded = cell.runs[0].metrics["test"]
        for name in ("exact_match", "f1", "rouge_l", "format", "bleu", "chrf"):
            score = cell.score(name)
            assert score.score == pytest.approx(recorded[name])
            assert score.low <= score.score <= score.high
        assert all(run.notes.metric_words == "latin" for run in cell.runs)
    table = (texts / "table.md").read_text()
    assert "no spaces" not in table
    assert "Scores: exact match on test in percent" in table
    lines = (texts / "table.csv").read_text().splitlines()[1:]
    assert [line.split(",")[3] for line in lines if line.startswith("full,")] == [
        *("exact_match", "f1", "rouge_l", "format", "bleu", "chrf")
    ]


def test_words_of_other_scripts_count_and_the_record_and_the_table_say_so(tmp_path: Path):
    films.write_backbone(tmp_path / "backbone")
    config = settings(tmp_path)
    with (tmp_path / "test.csv").open("a", newline="") as file:
        csv.writer(file).writerow(("ein Film", "это хорошо"))
    for name in ("train.csv", "test.csv"):
        content = (tmp_path / name).read_text()
        (tmp_path / name).write_text(content.replace("it is good", "это хорошо"))
    config["task"] |= {"metric": "rouge_l", "format": None, "decoding": {"max_new_tokens": 2}}
    config["approaches"] = config["approaches"][:1]
    results = films.run(config, tmp_path / "results")
    assert {record.notes.metric_words for record in RunStore(results).all()} == {"unicode"}
    [baseline] = runs_of(results, "target of the nearest input")
    assert baseline.metrics["test"]["rouge_l"] == baseline.metrics["test"]["exact_match"] > 0.5
    assert "characters where a script has no spaces" in (results / "table.md").read_text()


def test_every_text_is_kept(texts: Path, tmp_path: Path):
    texts = Path(shutil.copytree(texts, tmp_path / "copy"))
    [record] = runs_of(texts, "target of the nearest input")
    assert "loss" not in record.metrics["dev"] and record.labels == ()
    _, kept = RunStore(texts).load(record.run_id)
    assert isinstance(kept, TextPredictions)
    assert kept.references == tuple((f"it is {label}",) for _, label in films.films(40, 48))
    assert set(kept.outputs) <= {"it is good", "it is bad"}
    file = texts / prediction_file(record.run_id, "test")
    file.write_text(file.read_text().replace("it is good", "it is god", 1))
    with pytest.raises(InputError, match="has another sha256"):
        RunStore(texts).load(record.run_id)


@pytest.mark.thorough
def test_t5_and_demonstrations_beside_a_classification_task(tmp_path: Path):
    """T5 writes texts, with a prompt and trained; one table holds both kinds of task."""
    checkpoints.write(tmp_path / "backbone", "t5")
    write_tokenizer(tmp_path / "backbone", eos="</s>")
    config = settings(tmp_path)
    films.write_csv(tmp_path / "labels.csv", films.films(0, 40))
    films.write_csv(tmp_path / "asked.csv", films.films(40, 48))
    text, lora = config.pop("task"), {"method": {"name": "lora", "rank": 2}}
    files = {"train": str(tmp_path / "labels.csv"), "test": str(tmp_path / "asked.csv")}
    config["tasks"] = (text | {"metric": "chrf"}, {"source": "file", "name": "films"} | files)
    config["schedule"] = {"steps": 4, "batch_size": 4, "eval_every": 2}
    config["approaches"] = [
        {"name": "few-shot", "demonstrations": 1},
        {"name": "LoRA", "stages": [lora], "trials": [{"learning_rate": 0.01}]},
    ]
    folder = films.run(config, tmp_path / "results")
    grid = read_grid(folder)
    assert {column: cell_names(grid, column) for column in grid.columns} == {
        ("said", "16"): ["few-shot", "LoRA", "most common target", "target of the nearest input"],
        ("films", "16"): ["few-shot", "LoRA", "majority class", "TF-IDF + logistic regression"],
    }
    assert "chrF (said) and accuracy (films)" in (folder / "table.md").read_text()


def cell_names(grid: Grid, column: tuple[str, str]) -> list[str]:
    return [row for row in grid.rows if grid.cell(row, column)]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"metric": "blue"}, "metric is 'blue': did you mean 'bleu'"),
        ({"decoding": {"max_new_tokens": 0}}, "decoding.max_new_tokens is 0: a whole number"),
        ({"decoding": {"beams": 2}}, "config.tasks.0..decoding is 'beams': not a field here"),
        ({"decoding": {"max_new_tokens": 60}}, "prompts are longer than the 3 tokens left"),
        ({"metric": "sql_execution"}, "needs a database"),
        ({"database": "nowhere.sqlite"}, "a file of sqlite or of SQL is expected"),
        ({"end": "is"}, "example 1 of train is 'it is good': it contains 'is'"),
    ],
)
def test_mistakes_are_said_before_anything_runs(texts: Path, tmp_path: Path, change, message):
    config = settings(texts.parent)
    config["task"] |= change
    with pytest.raises(InputError, match=message):
        films.run(config, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_start_from_labels_is_refused(texts: Path, tmp_path: Path):
    config = settings(texts.parent)
    soft = {"method": {"name": "soft_prompt", "length": 2, "start": "labels"}}
    config["approaches"] = [{"name": "soft prompt", "stages": [soft]}]
    with pytest.raises(InputError, match="names no words, to start from"):
        films.run(config, tmp_path / "results")


def test_a_normalisation_of_scores_is_refused_in_any_trial(texts: Path, tmp_path: Path):
    config = settings(texts.parent)
    config["approaches"] = [{"name": "zero-shot", "trials": [{}, {"normalisation": "tokens"}]}]
    with pytest.raises(InputError, match="normalisation is .tokens.: the task has no labels"):
        films.run(config, tmp_path / "results")


def test_an_encoder_is_refused(texts: Path, tmp_path: Path):
    checkpoints.write(tmp_path / "backbone", "bert")
    write_tokenizer(tmp_path / "backbone", **{n: SPECIAL[n] for n in ("cls", "sep", "mask")})
    config = settings(texts.parent) | {"backbone": str(tmp_path / "backbone")}
    with pytest.raises(InputError, match="only causal and seq2seq backbones generate"):
        films.run(config, tmp_path / "results")
