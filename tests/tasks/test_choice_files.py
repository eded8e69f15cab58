"""Multiple-choice tasks from files, and COPA."""

import json
from pathlib import Path
from typing import Any

import pytest

from research.common.errors import InputError
from research.tasks import TASKS
from research.tasks.datasets.choice_files import ChoiceFileTask
from research.tasks.datasets.superglue_copa import COPATask

ROWS = [
    {"question": "one and one", "choices": ["two", "three"], "answer": "two"},
    {"question": "two and two", "choices": ["two", "three", "four"], "answer": "four"},
    {"question": "no and no", "choices": ["none", "one"], "answer": "none"},
    {"question": "two and one", "choices": ["one", "three"], "answer": "three"},
]
INDICES = (0, 2, 0, 1)


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def settings(folder: Path, rows: list[dict[str, Any]], **changes: Any) -> ChoiceFileTask:
    """A task with these rows as train and two others as test."""
    files = {"train": write(folder / "train.jsonl", rows), "test": None}
    other = [{**row, "question": f"say {row['question']}"} for row in rows[:2]]
    files["test"] = write(folder / "test.jsonl", other)
    return ChoiceFileTask(**{"name": "sums", **files, **changes})


@pytest.mark.parametrize(
    ("answers", "changes"),
    [
        ([row["answer"] for row in ROWS], {}),
        (INDICES, {}),
        ([index + 1 for index in INDICES], {"answer_form": "index", "first_index": 1}),
        (["A", "c", "A", "B"], {}),
        (["A", "C", "A", "B"], {"answer_form": "letter"}),
    ],
)
def test_an_answer_is_a_text_a_letter_or_an_index(tmp_path: Path, answers: Any, changes: dict):
    rows = [{**row, "answer": answer} for row, answer in zip(ROWS, answers, strict=True)]
    task = settings(tmp_path, rows, **changes).load()
    assert [example.label for example in task.train] == [row["answer"] for row in ROWS]
    assert [example.right_choice for example in task.train] == [*INDICES]
    assert task.train[1].choices == ("two", "three", "four") and task.labels == ()
    assert task.templates[0].text == "{question}\nanswer:" and not task.skipped


def test_choices_in_columns_may_be_fewer(tmp_path: Path):
    lines = ["question,a,b,c,answer", "how many,one,two,,b", "which,x,,z,C", "say,p,q,r,a"]
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "test.csv").write_text("\n".join([lines[0], "what,1,2,3,B"]) + "\n")
    files = {split: str(tmp_path / f"{split}.csv") for split in ("train", "test")}
    task = ChoiceFileTask(name="columns", choices=("a", "b", "c"), **files).load()
    assert [e.choices for e in task.train] == [("one", "two"), ("x", "z"), ("p", "q", "r")]
    assert [e.label for e in task.train] == ["two", "z", "p"]


def test_choices_within_a_column_of_objects_or_as_json_in_a_cell(tmp_path: Path):
    rows = [{**row, "choices": {"text": row["choices"]}} for row in ROWS]
    task = settings(tmp_path, rows, choices="choices.text").load()
    cells = [{**row, "choices": json.dumps(row["choices"])} for row in ROWS]
    assert settings(tmp_path, cells).load().train == task.train


WRONG = [
    ({"choices": []}, "choices of row 2 of .*train.jsonl is \\(\\): at least two choices"),
    ({"choices": ["four"]}, "at least two choices are needed"),
    ({"choices": ["four", ""]}, "choices of row 2 of .*: choice 1 is empty"),
    ({"choices": ["four", "two", "four"]}, "choices 0 and 2 are equal"),
    ({"answer": "five"}, "answer of row 2 of .*train.jsonl is 'five': the text of one of its"),
]


@pytest.mark.parametrize(("change", "reason"), WRONG)
def test_a_row_that_cannot_be_used_is_named_or_skipped(tmp_path: Path, change: dict, reason: str):
    rows = [ROWS[0], {**ROWS[1], **change}, *ROWS[2:]]
    with pytest.raises(InputError, match=reason):
        settings(tmp_path, rows).load()
    task = settings(tmp_path, rows, wrong="skip").load()
    assert len(task.train) == 3 and task.skipped == {"train": (2,), "test": (2,)}


def test_skipped_rows_are_counted_by_their_numbers_in_the_source(tmp_path: Path):
    rows = [{**ROWS[0], "question": ""}, ROWS[1], {**ROWS[2], "answer": "all"}, ROWS[3]]
    train, test = write(tmp_path / "a.jsonl", rows), write(tmp_path / "b.jsonl", ROWS)
    task = ChoiceFileTask(name="s", train=train, test=test, empty="skip", wrong="skip").load()
    assert task.skipped == {"train": (1, 3)} and len(task.train) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"choices": "options"}, "is 'options': allowed are answer, choices, question"),
        ({"choices": "question"}, "column question in row 1 .*: a list of texts is expected"),
        ({"choices": "choices.text"}, "it has no field 'text'"),
        ({"answer_form": "number"}, "allowed are auto, index, letter, text"),
        ({"wrong": "no"}, "wrong is 'no': allowed are error, skip"),
        ({"answer_form": "letter"}, "answer of row 1 of .*: the letter of one of its choices"),
        ({"answer_form": "index"}, "the index of one of its choices, from 0"),
        ({"metric": "f1"}, "metric is 'f1'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, change: dict, reason: str):
    with pytest.raises(InputError, match=reason):
        settings(tmp_path, ROWS, **change).load()
    outline = settings(tmp_path, ROWS, path="somewhere").outline()
    assert outline is not None and outline.is_scored


def test_copa_in_the_format_of_superglue(tmp_path: Path):
    row = {
        "premise": "The man turned on the faucet.",
        "choice1": "The toilet filled with water.",
        "choice2": "Water flowed from the spout.",
        "question": "effect",
        "label": 1,
    }
    cause = {**row, "question": "cause", "label": 0}
    train, test = write(tmp_path / "a.jsonl", [row]), write(tmp_path / "b.jsonl", [cause])
    task = COPATask(train=train, test=test).load()
    [example] = task.train
    prompt = task.templates[0].fill(example.fields)
    assert (prompt, example.label) == (
        "The man turned on the faucet therefore",
        "water flowed from the spout.",
    )
    assert task.templates[0].fill(task.test[0].fields).endswith(" faucet because")
    assert TASKS["superglue_copa"] is COPATask
    for change, reason in [
        ({"label": 2}, "row 1 .*: 0 or 1"),
        ({"question": "?"}, "in the format"),
    ]:
        with pytest.raises(InputError, match=reason):
            COPATask(train=write(tmp_path / "c.jsonl", [{**row, **change}]), test=test).load()
