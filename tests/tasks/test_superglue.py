"""WSC and ReCoRD as SuperGLUE publishes them and as on the hub: the same examples."""

import json
from pathlib import Path
from typing import Any

import pytest

from research.common.errors import InputError
from research.tasks.datasets.superglue_record import ReCoRDTask
from research.tasks.datasets.superglue_wsc import WSCTask, with_stars
from research.tasks.metrics.referent import referent
from research.tasks.task_settings import Outline

TEXT = "Ann asked Eve if she could stay ."
# A text, the number of its pronoun, a candidate and whether it is the referent.
PRONOUNS = [(TEXT, 4, "Ann", True), (TEXT, 4, "Eve", False), ("It is what it is.", 3, "It", True)]
ARTICLE = "Rome (CNN) -- A fire.\n@highlight\nRome burns\n@highlight\nNobody knows why"
MENTIONS = [(33, 36), (0, 3), (6, 8)]
QUERIES = [("A fire in @placeholder.", ["Rome", "Rome"]), ("@placeholder says so.", ["CNN"])]


def wsc(text: str, place: int, candidate: str, holds: bool) -> dict[str, Any]:
    pronoun = text.split()[place]
    spans = {"span1_text": candidate, "span2_index": place, "span2_text": pronoun}
    return {"text": text, "target": {**spans, "span1_index": 0}, "label": holds}


def record() -> dict[str, Any]:
    entities = [{"start": begin, "end": end} for begin, end in MENTIONS]
    asked = [{"query": q, "answers": [{"text": of} for of in right]} for q, right in QUERIES]
    return {"passage": {"text": ARTICLE, "entities": entities}, "qas": asked}


def on_hub(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if "target" in rows[0]:
        return [{"text": row["text"], **row["target"], "label": row["label"]} for row in rows]
    shared = {"passage": ARTICLE, "entities": ["Rome", "CNN"]}
    return [{**shared, "query": query, "answers": list(set(right))} for query, right in QUERIES]


def write(file: Path, rows: list[dict[str, Any]]) -> str:
    file.write_text("\n".join(map(json.dumps, rows)))
    return str(file)


@pytest.mark.parametrize(
    "source, rows", [(WSCTask, [wsc(*one) for one in PRONOUNS]), (ReCoRDTask, [record()])]
)
def test_both_forms_are_the_same_examples(source, rows, tmp_path: Path):
    file = write(tmp_path / "rows.jsonl", rows)
    published = source(train=file, test=file).load()
    hub = tmp_path / "hub"
    hub.mkdir()
    for split in ("train", "validation"):
        write(hub / f"{split}.jsonl", on_hub(rows))
    settings = source(train="train", test="validation", path=str(hub), config_name=None)
    found = settings.load()
    assert (found.train, found.test) == (published.train, published.test)
    assert settings.outline() == Outline(found.name, (), found.templates, found.words)


def test_a_candidate_that_is_not_the_referent_is_tested_and_not_trained_on(tmp_path: Path):
    file = write(tmp_path / "rows.jsonl", [wsc(*one) for one in PRONOUNS])
    task = WSCTask(train=file, test=file).load()
    assert [one.references for one in task.train] == [("Ann",), ("It",)]
    assert [one.references for one in task.test] == [("Ann",), ("not Eve",), ("It",)]
    assert [one.text for one in task.train] == [TEXT.replace("she", "*she*"), "It is what *it* is."]
    found = task.judged(["Ann", "ann", "what"], [one.references for one in task.test])
    assert found.items["referent"].tolist() == [1, 1, 0]


def test_record_asks_with_all_entities_and_takes_every_mention(tmp_path: Path):
    file = write(tmp_path / "rows.jsonl", [record()])
    task = ReCoRDTask(train=file, test=file).load()
    assert task.templates[0].fill(task.test[0].fields) == (
        "query: A fire in @placeholder. entities: Rome, CNN passage: Rome (CNN) -- A fire. "
        "Rome burns. Nobody knows why"
    )
    assert [one.references for one in task.test] == [("Rome",), ("CNN",)]


@pytest.mark.parametrize(
    "output, reference, right",
    [
        ("the city Councilmen", "City councilmen", True),
        ("councilmen", "The city councilmen", True),
        ("the old city councilmen", "The city councilmen", True),
        ("demonstrators", "The city councilmen", False),
        ("Bob", "Bob 's hat", False),
        ("Bob 's hat", "Bob 's hat", True),
        ("demonstrators", "not The city councilmen", True),
        ("councilmen", "not The city councilmen", False),
        ("the", "The city councilmen", False),
        ("", "not The city councilmen", False),
    ],
)
def test_which_texts_name_a_referent(output: str, reference: str, right: bool):
    assert referent(output, [reference]) == right


def test_the_pronoun_is_the_one_that_is_nearest():
    assert with_stars("He saw him, he said.", 3, "he") == "He saw him, *he* said."
    assert with_stars("to use it , if it is", 1, "it") == "to use *it* , if it is"
    assert with_stars("to use it , if it is", 4, "it") == "to use it , if *it* is"
    assert with_stars('"Good for him," he', 2, "him") == '"Good for *him*," he'
    with pytest.raises(ValueError, match="'her' is no word of"):
        with_stars("He saw him", 1, "her")


def test_rows_of_another_form_are_refused(tmp_path: Path):
    file = write(tmp_path / "rows.jsonl", [record()])
    with pytest.raises(InputError, match="rows in the format of SuperGLUE are expected"):
        WSCTask(train=file, test=file).load()


def test_the_published_files(shared: Path):
    """All candidates of WSC's validation split, of which SuperGLUE has 104."""
    folder = shared / "data" / "superglue"
    wsc, record = folder / "WSC", folder / "ReCoRD"
    pronouns = WSCTask(train=str(wsc / "train32.jsonl"), test=str(wsc / "val.jsonl")).load()
    assert len(pronouns.test) == 104 and all(one.text.count("*") == 2 for one in pronouns.test)
    assert sum(one.label.startswith("not ") for one in pronouns.test) == 66
    articles = ReCoRDTask(
        train=str(record / "train32.jsonl"), test=str(record / "dev32.jsonl")
    ).load()
    for one in (*articles.train, *articles.test):
        assert set(one.references) <= set(one.fields["entities"].split(", "))
        assert "@placeholder" in one.fields["query"] and "@highlight" not in one.text
