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
from research.reporting.grid.measures import without_answer
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


def write_reasons(path: Path, begin: int, end: int) -> str:
    """Films, the word that tells what is said of them, and what is said."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "why", "said"))
        for text, label in films.films(begin, end):
            writer.writerow((text, text.split()[1], label))
    return str(path)


def answer_settings(folder: Path) -> dict[str, Any]:
    """The plain data of an experiment whose answers stand after a marker."""
    full = {"stages": [{"method": {"name": "full"}}], "trials": [{"learning_rate": 0.03}]}
    reasoned = {"rationale": True, "max_new_tokens": 14}
    config = settings(folder)
    config["task"] = {
        "source": "text_file",
        "name": "said",
        "train": write_reasons(folder / "train.csv", 0, 40),
        "test": write_reasons(folder / "test.csv", 40, 48),
        "target": "said",
        "rationale": "why",
        "marker": "=>",
        "templates": ("{text}\nSaid:",),
        "decoding": {"max_new_tokens": 8},
    }
    config["approaches"] = [
        {"name": "vote", "demonstrations": 1, "samples": 3, **reasoned},
        {"name": "direct", **full},
        {"name": "with rationale", **full, **reasoned},
    ]
    return config


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of that experiment."""
    folder = tmp_path_factory.mktemp("answers")
    films.write_backbone(folder / "backbone")
    return films.run(answer_settings(folder), folder / "results")


def predictions_of(folder: Path, row: str) -> TextPredictions:
    [record] = runs_of(folder, row)
    _, predictions = RunStore(folder).load(record.run_id)
    assert isinstance(predictions, TextPredictions)
    return predictions


def test_rows_answer_directly_or_after_a_rationale(answers: Path):
    labels = tuple((label,) for _, label in films.films(40, 48))
    direct, reasoned = (predictions_of(answers, row) for row in ("direct", "with rationale"))
    assert direct.references == reasoned.references == labels
    assert direct.without_answer == reasoned.without_answer == 0
    assert all(text.startswith("=> ") for [text] in direct.generated)
    words = {word for of_label in films.WORDS.values() for word in of_label}
    assert all(text.split()[0] in words for [text] in reasoned.generated)
    assert all(
        text.split()[1:] == ["=>", out]
        for [text], out in zip(reasoned.generated, reasoned.outputs, strict=True)
    )
    for row in ("direct", "with rationale"):
        [record] = runs_of(answers, row)
        assert record.metrics["test"]["exact_match"] >= 0.5
        assert record.metrics["test"]["answered"] == 1


def test_a_row_votes_over_its_samples(answers: Path):
    [record], vote = runs_of(answers, "vote"), predictions_of(answers, "vote")
    assert record.notes.demonstrations == 1
    assert all(len(texts) == 3 for texts in vote.generated)
    assert any(len(set(texts)) > 1 for texts in vote.generated)  # a random model samples others
    assert vote.without_answer == pytest.approx(1 - record.metrics["test"]["answered"])
    settings = record.settings["approach"]
    assert settings["samples"] == 3 and settings["rationale"] and settings["max_new_tokens"] == 14


def test_the_table_has_the_share_of_outputs_without_an_answer(answers: Path):
    assert check_tables(answers) == []
    table = (answers / "table.md").read_text()
    assert "Without an answer: share of the outputs" in table
    shares = {
        cell.key[0]: without_answer(cell) for cell in read_grid(answers).tested_in(("said", "16"))
    }
    assert shares["direct"] == shares["with rationale"] == "0.0" and float(shares["vote"]) > 50
    assert shares["target of the nearest input"] == "0.0"


@pytest.mark.parametrize(
    "of_task, row, message",
    [
        ({"marker": None}, {}, "answer is None: a task with rationales needs it"),
        ({"marker": None, "answer": "=> .*"}, {}, "answer is '=> .*': it has no group"),
        ({"marker": None, "answer": "=> (.*)"}, {}, "it finds no answer in example 1 of train"),
        ({"rationale": None}, {}, "rationale is True: task said has no rationales"),
        ({"decoding": {"num_beams": 2}}, {}, "num_beams is 2: with do_sample only 1 is supported"),
        ({}, {"max_new_tokens": 70}, "max_new_tokens|prompts are longer than"),
        ({}, {"ensemble": 2}, "ensemble is 2: the task has no labels"),
    ],
)
def test_mistakes_about_answers(
    answers: Path, tmp_path: Path, of_task: dict, row: dict, message: str
):
    config = answer_settings(answers.parent)
    config["task"] |= of_task
    config["approaches"] = [config["approaches"][0] | row]
    with pytest.raises(InputError, match=message):
        films.run(config, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_labels_are_found_in_texts(tmp_path: Path):
    """Beside the same rows that score labels: training is the same, answers are written."""
    films.write_backbone(tmp_path / "backbone")
    films.write_csv(tmp_path / "train.csv", films.films(0, 40))
    films.write_csv(tmp_path / "test.csv", films.films(40, 48))
    full = {"stages": [{"method": {"name": "full"}}], "trials": [{"learning_rate": 0.03}]}
    by_text = {"answer_by": "text", "max_new_tokens": 6}
    config = films.settings(tmp_path) | {
        "approaches": [
            {"name": "prompt by text", "samples": 2, **by_text},
            {"name": "full by score", **full},
            {"name": "full by text", **full, **by_text},
        ],
        "schedule": {"steps": 40, "batch_size": 16, "eval_every": 40},
        "regimes": ("8-shot",),
        "seeds": 1,
        "search_seeds": 1,
    }
    folder = films.run(config, tmp_path / "results")
    assert check_tables(folder) == []
    store, found = RunStore(folder), {}
    for name in ("prompt by text", "full by score", "full by text"):
        [record] = runs_of(folder, name)
        _, found[name] = store.load(record.run_id)
    assert found["full by score"].generated == () and found["full by score"].without_answer is None
    assert found["full by text"].without_answer == 0
    assert {texts[0] for texts in found["full by text"].generated} <= {"good", "bad"}
    same = found["full by text"].predicted == found["full by score"].predicted
    assert same.mean() >= 0.75  # the likeliest first token is mostly that of the likeliest label
    assert all(len(texts) == 2 for texts in found["prompt by text"].generated)
    [record] = runs_of(folder, "prompt by text")  # its way to score labels is not tried
    assert len(record.configuration.trials) == 1
    assert "Without an answer" in (folder / "table.md").read_text()
    config["approaches"] = [{"name": "x", "prior": "content_free", **by_text}]
    with pytest.raises(
        InputError, match="prior is .content_free.: labels are found in generated texts"
    ):
        films.run(config, tmp_path / "others")


def test_labels_in_constrained_texts(tmp_path: Path):
    """Every text of a random model is that of a label; without the constraint none is."""
    pytest.importorskip("outlines_core")
    films.write_backbone(tmp_path / "backbone")
    films.write_csv(tmp_path / "train.csv", films.films(0, 40))
    films.write_csv(tmp_path / "test.csv", films.films(40, 48))
    by_text = {"answer_by": "text", "max_new_tokens": 8}
    config = films.settings(tmp_path) | {"seeds": 1, "search_seeds": 1}
    config["approaches"] = [
        {"name": "free", **by_text},
        {"name": "constrained", "constrained": True, "samples": 2, **by_text},
    ]
    folder = films.run(config, tmp_path / "results")
    store, shares = RunStore(folder), {}
    for name in ("free", "constrained"):
        [record] = runs_of(folder, name)
        _, found = store.load(record.run_id)
        shares[name] = found.without_answer
    assert shares["free"] > 0.5 and shares["constrained"] == 0
    assert {text for texts in found.generated for text in texts} <= {"good", "bad"}
    assert all(len(texts) == 2 for texts in found.generated)
