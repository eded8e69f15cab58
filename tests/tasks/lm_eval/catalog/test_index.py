"""Index of a folder of task files, and its cache."""

import pytest

from research.common.errors import InputError
from research.tasks.lm_eval.catalog import index_cache
from research.tasks.lm_eval.catalog.index import build_index
from research.tasks.lm_eval.catalog.package import TaskFolder, task_folder

FILES = {
    "base": "dataset_path: a/b\ntest_split: test\ndoc_to_text: '{{q}}'\n",
    "one": "include: base.yaml\ntask: one\ntag: [letters, odd]\noutput_type: multiple_choice\n"
    "doc_to_target: label\ndoc_to_choice: ['no', 'yes']\ntraining_split: train\n",
    "two": "include: base.yaml\ntask: two\ntag: letters\ndoc_to_target: answer\n",
    "three": "include: base.yaml\ntask: three\nprocess_docs: !function utils.f\n",
    "four": "task: four\nclass: !function task.Four\n",
    "five": "include: base.yaml\ntask: five\ncolour: red\n",
    "cut": "task: [",
    "zz_again": "include: base.yaml\ntask: two\n",
    "group": "group: numbers\ntask:\n  - letters\n  - task: three\n    num_fewshot: 5\n"
    "  - group: inner\n    task: [four]\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, text in FILES.items():
        (tmp_path / "tasks" / "sub").mkdir(parents=True, exist_ok=True)
        (tmp_path / "tasks" / f"{name}.yaml").write_text(text)
    return tmp_path / "tasks"


def test_tasks_have_types_splits_choices_and_refusals(folder):
    tasks = build_index(str(folder)).tasks
    assert list(tasks) == ["five", "four", "one", "three", "two"]
    assert tasks["one"].output_type == "multiple_choice"
    assert tasks["one"].splits == ("train", None, "test")
    assert (tasks["one"].choices, tasks["two"].choices) == (2, None)
    assert tasks["one"].refusals == () == tasks["two"].refusals
    assert tasks["two"].path == "two.yaml"
    assert tasks["three"].refusals == ("process_docs: a function in Python",)
    assert tasks["four"].refusals == ("class: the task is a Python class",)
    assert "colour" in tasks["five"].error


def test_files_that_cannot_be_read_are_listed(folder):
    [(path, reason)] = build_index(str(folder)).errors
    assert path == "cut.yaml" and "line" in reason


def test_groups_and_tags_are_lists_of_tasks(folder):
    index = build_index(str(folder))
    assert index.members("letters") == ("one", "two")
    assert index.members("numbers") == ("one", "two", "three", "four")
    assert index.members("inner") == ("four",)
    assert index.groups["numbers"].changed == ("three",)
    with pytest.raises(InputError, match="group of 2 tasks, name one: one, two"):
        index.entry("letters")
    with pytest.raises(InputError, match="did you mean 'three'"):
        index.entry("thre")


def test_the_index_is_read_again_where_a_file_changed(folder, monkeypatch):
    first = index_cache.open_index(TaskFolder(folder, "1"))
    (folder / "two.yaml").write_text("task: second\n")
    second = index_cache.open_index(TaskFolder(folder, "1"))
    assert "second" in second.tasks and "second" not in first.tasks
    monkeypatch.setattr(index_cache, "build_index", lambda root: pytest.fail("not from the cache"))
    assert index_cache.open_index(TaskFolder(folder, "1")) == second
    with pytest.raises(pytest.fail.Exception):
        index_cache.open_index(TaskFolder(folder, "2"))


def test_a_broken_cache_is_replaced(folder):
    index = index_cache.open_index(TaskFolder(folder, ""))
    [file] = (folder.parent / "cache" / "adaptlab" / "lm_eval").iterdir()
    file.write_text("{")
    assert index_cache.open_index(TaskFolder(folder, "")) == index
    assert file.read_text() != "{"


def test_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no such folder of task files"):
        task_folder(str(tmp_path / "missing"))
