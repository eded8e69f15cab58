"""The list of tasks that `scripts/tasks.py` prints."""

import pytest

from scripts.tasks import main

TASK = "dataset_path: a\ntest_split: test\noutput_type: multiple_choice\ndoc_to_text: q\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "a.yaml").write_text(f"task: arc_a\ntag: arc\n{TASK}doc_to_choice: ['no', 'yes']\n")
    (folder / "b.yaml").write_text(f"task: boat\ntag: arc\n{TASK}process_docs: !function u.f\n")
    return str(folder)


def test_tasks_are_listed_by_word_group_and_tag(folder, capsys):
    assert main(["--folder", folder]) == 0
    every = capsys.readouterr().out.splitlines()
    assert every[0].split() == ["task", "type", "train", "dev", "test", "choices", "refused"]
    assert every[1].split() == ["arc_a", "multiple_choice", "test", "2"]
    assert every[2].endswith("own      process_docs: a function in Python")
    assert every[3] == "2 tasks: 1 read, 1 refused, 0 with errors"
    main(["arc", "--folder", folder])
    assert capsys.readouterr().out.splitlines() == every
    main(["arc_", "--folder", folder])
    assert "1 tasks" in capsys.readouterr().out


def test_an_unknown_word_exits_with_2(folder, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["boot", "--folder", folder])
    assert caught.value.code == 2
    assert "did you mean 'boat'" in capsys.readouterr().err
