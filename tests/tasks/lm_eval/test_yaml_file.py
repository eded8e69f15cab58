"""YAML files with what they include."""

import pytest

from research.common.errors import InputError
from research.tasks.lm_eval.yaml_file import Function, YamlReader


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def read(folder, name):
    return YamlReader().read(str(folder / f"{name}.yaml"))


def test_own_keys_precede_included_ones_and_later_includes_earlier_ones(tmp_path):
    write(
        tmp_path,
        base="a: 1\nb: 1\nc: 1\ntask_list: [x]\n",
        middle="include: base.yaml\nb: 2\nc: 2\n",
        other="c: 3\n",
        task="include: [middle.yaml, other.yaml]\nd: 4\n",
    )
    assert read(tmp_path, "task") == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_a_file_may_be_included_on_two_ways(tmp_path):
    write(tmp_path, base="a: 1\n", b="include: base.yaml\nb: 2\n")
    write(tmp_path, task="include: [base.yaml, b.yaml]\n")
    assert read(tmp_path, "task") == {"a": 1, "b": 2}


def test_a_loop_of_includes_is_refused(tmp_path):
    write(tmp_path, a="include: b.yaml\n", b="include: a.yaml\n")
    with pytest.raises(InputError, match="a.yaml includes b.yaml includes a.yaml"):
        read(tmp_path, "a")


def test_a_function_is_read_by_name_and_folder(tmp_path):
    write(tmp_path, task="process_docs: !function utils.process\n")
    assert read(tmp_path, "task") == {"process_docs": Function("utils.process", str(tmp_path))}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: [a, b", "line 2"),
        ("- a\n- b\n", "a mapping"),
        ("1: a\n", "a mapping"),
        ("", "a mapping"),
        ("task: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
        ("include: missing.yaml\n", "no such file"),
        ("include: 3\n", "the name of a file"),
        ("task: \x00", "not valid YAML"),
        ("a: " + "[" * 5000, "not valid YAML"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, text, message):
    write(tmp_path, task=text)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, "task")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path, "nothing")
