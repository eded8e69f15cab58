"""Files with a class before each sentence."""

from pathlib import Path

import pytest

from research.common.errors import InputError
from research.tasks.datasets.sentences import SentencesTask

CLASSES = {"0": "subjective", "1": "objective"}


def task_of(folder: Path, content: bytes, **settings):
    (folder / "subj.all").write_bytes(content)
    return SentencesTask(file=str(folder / "subj.all"), verbalizer=CLASSES, **settings).load()


def test_test_is_a_fixed_sample_and_train_is_the_rest(tmp_path: Path):
    content = b"".join(b"%d sentence %d .\n" % (i % 2, i) for i in range(20))
    task = task_of(tmp_path, content, most_test=8)
    sentences = [example.fields["sentence"] for example in (*task.train, *task.test)]
    assert sorted(sentences) == sorted(f"sentence {i} ." for i in range(20))
    assert len(task.test) == 8 and task_of(tmp_path, content, most_test=8).test == task.test
    assert all(int(e.fields["sentence"].split()[1]) % 2 == int(e.label) for e in task.train)
    assert task.verbalizer.target("1") == " objective\n"


def test_other_line_ends_and_bytes_that_are_not_utf8(tmp_path: Path):
    content = b"0 caf\xe9\x85 bar\r\n\n1 two  words \n0 last"
    task = task_of(tmp_path, content, most_test=1)
    sentences = {example.fields["sentence"] for example in (*task.train, *task.test)}
    assert sentences == {"caf\ufffd bar", "two  words", "last"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"0 fine\n2 no class\n", "line 2 of .*subj.all is '2 no class': a class .0, 1., a space"),
        (b"0 fine\n1\n", "line 2 of .*subj.all is '1'"),
        (b"0 fine\n1  \n", "line 2 of"),
        (b"0 one\n", "train"),
    ],
)
def test_mistakes(tmp_path: Path, content: bytes, message: str):
    with pytest.raises(InputError, match=message):
        task_of(tmp_path, content, most_test=1)


def test_a_file_that_is_missing(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        SentencesTask(file=str(tmp_path / "none"), verbalizer=CLASSES).load()


@pytest.mark.parametrize(
    "name, examples", [("subj/subj.all", 10000), ("mr/rt-polarity.all", 10662)]
)
def test_the_real_files(shared: Path, name: str, examples: int):
    task = SentencesTask(file=str(shared / "data" / name), verbalizer=CLASSES).load()
    assert (len(task.train), len(task.test)) == (examples - 2000, 2000)
