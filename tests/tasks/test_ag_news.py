"""AG News as published and as on the hub: one task."""

import json

import pytest

from research.common.errors import InputError
from research.tasks.datasets.ag_news import AGNewsTask

ROWS = [(number, f"Title {i}", f"what happened {i}") for i, number in enumerate([3, 1, 4, 2, 2])]


@pytest.fixture
def folder(tmp_path):
    """The same five news as published and as JSON lines; others to test on."""
    published = "".join(f'"{n}","{title}","{text}"\n' for n, title, text in ROWS)
    (tmp_path / "train.csv").write_text(published)
    lines = [{"text": f"{title} {text}", "label": n - 1} for n, title, text in ROWS]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "test.csv").write_text(published.replace("Title", "Other"))
    return tmp_path


def test_both_forms_are_the_same_examples(folder):
    task = AGNewsTask(folder=str(folder)).load()
    assert task.train == AGNewsTask(folder=str(folder), train="train.jsonl").load().train
    assert task.train[0].fields == {"text": "Title 0 what happened 0"}
    labels = [example.label for example in task.train]
    assert labels == ["Business", "World", "Sci/Tech", "Sports", "Sports"]
    assert task.verbalizer.target("Sci/Tech") == " technology\n"


def test_a_part_of_test_is_the_same_part_every_time(folder):
    whole = AGNewsTask(folder=str(folder)).load().test
    part = AGNewsTask(folder=str(folder), most_test=3).load().test
    assert len(part) == 3 and set(map(str, part)) < set(map(str, whole))
    assert part == AGNewsTask(folder=str(folder), most_test=3).load().test
    assert AGNewsTask(folder=str(folder), most_test=9).load().test == whole


def test_mistakes(folder):
    (folder / "odd.csv").write_text('"5","a","b"\n')
    with pytest.raises(InputError, match="class of .*odd.csv is '5': allowed are 1, 2, 3, 4"):
        AGNewsTask(folder=str(folder), train="odd.csv").load()
    with pytest.raises(InputError, match="most_test is 0"):
        AGNewsTask(folder=str(folder), most_test=0).load()
    with pytest.raises(InputError, match="no such file"):
        AGNewsTask(folder=str(folder / "elsewhere")).load()


def test_the_real_files(shared):
    task = AGNewsTask(folder=str(shared / "data/ag_news"), train="train_subset.jsonl").load()
    assert (len(task.train), len(task.test)) == (4990, 7600)
    assert {example.label for example in task.test} == set(task.labels)
