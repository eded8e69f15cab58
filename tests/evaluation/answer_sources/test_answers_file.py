"""Answers from a JSON-lines file: how rows are matched, scored and refused."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.common.errors import InputError
from research.evaluation.answer_sources.answers_file import AnswersFile
from research.evaluation.answer_sources.questions import input_hash, questions, write_questions
from research.evaluation.answer_sources.source import ScoredAnswers
from research.tasks.task import Task
from tests.evaluation.answer_sources.tasks import LABELS, NUMBERS, WRITTEN

Row = dict[str, Any]


def answered_rows(task: Task, answers: Sequence[Any], **fields: Any) -> list[Row]:
    """The questions to test with answers."""
    rows = [row for row in questions(task) if row["split"] == "test"]
    return [{**row, "answer": answer, **fields} for row, answer in zip(rows, answers, strict=True)]


@pytest.fixture
def scored(tmp_path: Path) -> Callable[..., ScoredAnswers]:
    """The scored answers of a file with these rows."""

    def score(
        rows: Sequence[Row | str], task: Task = LABELS, seed: int = 0, split: str = "test", **prices
    ) -> ScoredAnswers:
        file = tmp_path / f"{task.name}.jsonl"
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        settings = AnswersFile(file=str(tmp_path / "{task}.jsonl"), **prices)
        answered = settings.open(task, "4-shot", seed).answer(split, task.tests[split])
        assert answered is not None
        return answered

    return score


def refusal(scored: Callable[..., ScoredAnswers], rows: Sequence[Row | str], **options: Any) -> str:
    with pytest.raises(InputError) as error:
        scored(rows, **options)
    return str(error.value)


RIGHT = ("good", "negative", " poor ", "positive")


def test_labels_are_named_by_themselves_or_by_their_texts(scored: Callable[..., ScoredAnswers]):
    answers = scored(answered_rows(LABELS, RIGHT)).answers
    assert answers.metrics["accuracy"] == 1 and answers.not_finite == 0
    assert math.isnan(answers.loss)


def test_null_is_no_answer_and_wrong(scored: Callable[..., ScoredAnswers]):
    answers = scored(answered_rows(LABELS, ("good", None, "bad", "bad"))).answers
    assert answers.metrics["accuracy"] == 0.5 and answers.not_finite == 1


def test_log_probabilities_are_the_scores(scored: Callable[..., ScoredAnswers]):
    rows = answered_rows(LABELS, RIGHT)
    for row, good in zip(rows, (0.9, 0.2, 0.6, 0.5), strict=True):
        row["logprobs"] = {"good": math.log(good), "negative": math.log(1 - good)}
        del row["answer"]
    answers: Any = scored(rows).answers
    assert answers.predicted.tolist() == [1, 0, 1, 0]  # a tie goes to the first label
    assert np.allclose(np.exp(answers.scores[:, 1]), (0.9, 0.2, 0.6, 0.5))
    assert answers.loss == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.5]).mean())


def test_texts_are_scored_by_every_metric(scored: Callable[..., ScoredAnswers]):
    rows = answered_rows(WRITTEN, ("it is good\n", "it is good", None, ""))
    answers = scored(rows, WRITTEN).answers
    assert answers.metrics["exact_match"] == 0.25 and answers.not_finite == 1


def test_numbers_may_be_texts(scored: Callable[..., ScoredAnswers]):
    answers: Any = scored(answered_rows(NUMBERS, (4.5, "1", 2, " 4.0 ")), NUMBERS).answers
    assert answers.numbers.tolist() == [4.5, 1, 2, 4] and answers.metrics["pearson"] == 1


def test_rows_are_found_by_their_inputs(scored: Callable[..., ScoredAnswers]):
    """In any order; rows with the same input in the order of the test rows."""
    rows = [{"input": {"text": e.fields["text"]}, "answer": e.label} for e in LABELS.test]
    rows[0]["answer"] = "bad"
    answers: Any = scored([rows[2], rows[0], rows[1], rows[3]]).answers
    assert answers.predicted.tolist() == [0, 0, 0, 1]
    hashes = [{"hash": input_hash(row["input"]), "answer": row["answer"]} for row in rows]
    assert scored(hashes).answers.metrics["accuracy"] == 0.75


def test_rows_with_and_without_an_index_may_be_mixed(scored: Callable[..., ScoredAnswers]):
    by_index = answered_rows(LABELS, ("good", "bad", "bad", "bad"))
    rows = [{"input": {"text": "a warm film"}, "answer": "good"}, *by_index[1:]]
    answers: Any = scored(rows).answers
    assert answers.predicted.tolist() == [1, 0, 0, 0]


def test_each_seed_has_its_own_rows(scored: Callable[..., ScoredAnswers]):
    rows = answered_rows(LABELS, RIGHT, seed=0) + answered_rows(LABELS, ["bad"] * 4, seed=1)
    assert scored(rows, seed=0).answers.metrics["accuracy"] == 1
    assert scored(rows, seed=1).answers.metrics["accuracy"] == 0.5
    assert "no answer for seed 2; the first is example 0" in refusal(scored, rows, seed=2)


def test_further_test_splits_are_answered_whole_or_not_at_all(
    scored: Callable[..., ScoredAnswers], tmp_path: Path
):
    rows = answered_rows(LABELS, RIGHT)
    ood = [{**row, "answer": "bad"} for row in questions(LABELS) if row["split"] == "ood"]
    assert scored([*rows, *ood], split="ood").answers.metrics["accuracy"] == 1
    scored(rows)
    source = AnswersFile(file=str(tmp_path / "films.jsonl")).open(LABELS, "all", 0)
    assert source.answer("ood", LABELS.ood) is None and source.answer("dev", LABELS.test) is None


def test_costs_are_means_over_the_rows(scored: Callable[..., ScoredAnswers]):
    rows = answered_rows(LABELS, RIGHT, prompt_tokens=100, answer_tokens=2)
    rows[0]["prompt_tokens"] = 300
    assert scored(rows).request_tokens == 150 and scored(rows).request_price is None
    prices = {"input_price": 2.0, "output_price": 10.0}
    assert scored(rows, **prices).request_price == pytest.approx((150 * 2 + 2 * 10) / 1e6)
    rows[0]["price"] = 1.0  # its own price counts
    price = (1.0 + 3 * (100 * 2 + 2 * 10) / 1e6) / 4
    assert scored(rows, **prices).request_price == pytest.approx(price)
    del rows[1]["answer_tokens"]
    assert scored(rows, **prices).request_price is None


@pytest.mark.parametrize(
    ("index", "change", "sentence"),
    [
        (1, {"answer": "bda"}, "line 2: answer is 'bda': did you mean 'bad'? allowed are bad, "),
        (1, {"answer": 0}, "line 2: answer is 0: allowed are bad, good, negative, poor, positive"),
        (1, {"answer": ["bad"]}, "line 2.answer is ['bad']: expected is str or int or float"),
        (1, {"index": 4}, "line 2: index is 4: test has the examples 0 to 3"),
        (1, {"index": -1}, "line 2.index is -1: a whole number from 0"),
        (1, {"index": 2}, "line 2: hash is "),
        (1, {"index": 2, "hash": None, "input": {"text": "a dull film"}}, "line 3: answer is "),
        (3, {"index": 0}, "line 4: answer is 'positive': "),
        (1, {"hash": None, "input": None}, "line 2 is 1: `hash` or `input` has to identify"),
        (1, {"hash": "00"}, "line 2: hash is '00': its input has the hash "),
        (1, {"index": None, "hash": None, "input": {"text": "x"}}, "no example of test has this"),
        (1, {"split": "tets"}, "line 2: split is 'tets': did you mean 'test'? allowed are ood, "),
        (1, {"logprob": {}}, "line 2 is 'logprob': not a field here; did you mean 'logprobs'?"),
        (1, {"price": -1.0}, "line 2.price is -1.0: a finite number from 0"),
        (1, {"prompt_tokens": -1}, "line 2.prompt_tokens is -1: a whole number from 0"),
        (1, {"logprobs": {"bad": 0.0}}, "line 2: logprobs is ['bad']: label 'good' has none"),
        (1, {"logprobs": {"x": 0.0}}, "line 2: logprobs is 'x': allowed are bad, good"),
        (
            1,
            {"logprobs": {"bad": -1.0, "poor": -1.0}},
            "line 2: logprobs is 'poor': label 'bad' has a log-probability already",
        ),
        (1, {"logprobs": {"bad": 0.7, "good": -1.0}}, "logprobs['bad'] is 0.7: a finite number"),
        (1, {"logprobs": {"bad": -2.0, "good": -1.0}}, "line 2: answer is 'negative': by its logp"),
        (1, {"logprobs": {"bad": -1.0, "good": -2.0}}, "logprobs is '1 of 4': either all answers"),
    ],
)
def test_a_wrong_row_is_named(
    scored: Callable[..., ScoredAnswers], index: int, change: Row, sentence: str
):
    rows = answered_rows(LABELS, RIGHT)
    rows[index] |= change
    assert sentence in refusal(scored, rows)


def test_missing_surplus_and_duplicate_rows(scored: Callable[..., ScoredAnswers]):
    rows = answered_rows(LABELS, RIGHT)
    assert (
        "1 of the 4 examples of test have no answer for seed 0; the first is example 1, "
        "{'text': 'a cold film'}." in refusal(scored, [rows[0], *rows[2:]])
    )
    said = refusal(scored, [*rows, rows[1]])
    assert "line 5: answer is 'negative': " in said
    assert "line 2 answers example 1 of test already." in said
    by_input = [{"input": row["input"], "answer": row["answer"]} for row in rows]
    said = refusal(scored, [*by_input, by_input[1]])
    assert "line 5: input is {'text': 'a cold film'}: other rows answer all examples of te" in said


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{'answer': 1}", "line 5 is \"{'answer': 1}\": a JSON object in one line is expected"),
        ("[1]", "line 5 is [1]: a mapping with the fields of AnswerRow is expected"),
        ('{"answer": NaN}', "NaN is not JSON"),
        ('{"answer": "a", "answer": "b"}', "an object names 'answer' twice"),
        ('{"index": 0}', "it has neither `answer` nor `logprobs`"),
    ],
)
def test_a_line_that_is_no_row(scored: Callable[..., ScoredAnswers], line: str, sentence: str):
    assert sentence in refusal(scored, [*answered_rows(LABELS, RIGHT), line])


def test_texts_and_numbers_have_their_own_answers(scored: Callable[..., ScoredAnswers]):
    rows = answered_rows(NUMBERS, (4.5, "many", 2, 4))
    assert "answer is 'many': a finite number such as 3.8" in refusal(scored, rows, task=NUMBERS)
    rows = answered_rows(WRITTEN, ["x"] * 4, logprobs={"x": -1.0})
    assert "task said has no labels; only answers" in refusal(scored, rows, task=WRITTEN)


def test_a_file_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "latin.jsonl").write_bytes(b'{"answer": "\xe9"}')
    for name, sentence in (
        ("none.jsonl", "cannot be read (No such file or directory)"),
        ("", "cannot be read (Is a directory)"),
        ("latin.jsonl", "UTF-8 is expected"),
    ):
        with pytest.raises(InputError, match="answers.file is ") as error:
            AnswersFile(file=str(tmp_path / name)).open(LABELS, "all", 0)
        assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("prices", "sentence"),
    [
        ({"input_price": -1.0, "output_price": 1.0}, "input_price is -1.0: a finite number from"),
        ({"input_price": 1.0, "output_price": math.nan}, "output_price is nan: a finite number"),
        ({"input_price": 1.0}, "either both prices are set or none"),
    ],
)
def test_wrong_prices(prices: dict[str, float], sentence: str):
    with pytest.raises(InputError) as error:
        AnswersFile(file="x", **prices)
    assert sentence in str(error.value)


def test_the_path_names_task_and_regime(tmp_path: Path):
    settings = AnswersFile(file=f"{tmp_path}/{{regime}}/{{task}}.jsonl")
    assert settings.path(LABELS, "16-shot") == tmp_path / "16-shot" / "films.jsonl"
    with pytest.raises(InputError, match="its environment variable is not set"):
        AnswersFile(file="$NOWHERE/x").path(LABELS, "all")


def test_questions_have_no_labels_and_are_all_test_rows(tmp_path: Path):
    file = write_questions(LABELS, tmp_path / "new")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert file.name == "films.jsonl" and rows == questions(LABELS)
    assert [(row["split"], row["index"]) for row in rows] == [
        *(("test", index) for index in range(4)),
        ("ood", 0),
    ]
    assert rows[1]["prompt"] == "a cold film\nVerdict:" and "bad" not in json.dumps(rows)
    write_questions(LABELS, tmp_path / "new")  # the same again
    answered = "".join(json.dumps({**row, "answer": "bad"}) + "\n" for row in rows)
    file.write_text(answered)
    with pytest.raises(InputError, match="it exists with other content, such as answers"):
        write_questions(LABELS, tmp_path / "new")
    assert file.read_text() == answered


def test_hashes_of_inputs_stay_the_same():
    """They are stored in files of answers."""
    assert input_hash({"text": "a cold film"}) == input_hash({"text": "a cold film"})
    assert input_hash({"a": "x", "b": "y"}) == input_hash({"b": "y", "a": "x"})
    assert input_hash({"text": "a cold film "}) != input_hash({"text": "a cold film"})
    assert input_hash({"text": "é"}) == "42d3cbf59fdccced"


def test_answers_are_found_in_texts_as_in_those_of_a_backbone(scored: Callable[..., ScoredAnswers]):
    task = replace(WRITTEN, answer=r"it is (\w+)")
    replies = ("The film is warm, so it is good.", "it is good, no, it is bad", "it was bad", None)
    answers: Any = scored(answered_rows(task, replies), task).answers
    assert answers.texts.outputs == ("good", "bad", "", "")
    assert answers.metrics["exact_match"] == 0.5
    assert answers.texts.items["answered"].tolist() == [1, 1, 0, 0]
