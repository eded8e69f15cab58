import dataclasses
import hashlib

import pytest

from research.common.errors import InputError
from research.tasks.example import Example
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.task import Task, task_checksum


def examples(*texts: str) -> tuple[Example, ...]:
    return tuple(Example({"text": text}, str(place % 2)) for place, text in enumerate(texts))


TASK = Task(
    name="tiny",
    labels=("0", "1"),
    templates=(Template("{text}:"),),
    verbalizer=Verbalizer({"0": "bad", "1": "good"}),
    train=examples("a", "b", "c", "d"),
    test=examples("x", "y"),
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": ("0",)}, "at least two labels"),
        ({"labels": ("0", "0")}, "each named once"),
        ({"labels": ("0", "1", "2")}, "no text for this label"),
        ({"templates": ()}, "at least one template"),
        ({"templates": (Template("{txt}:"),)}, "did you mean 'text'"),
        ({"metric": "f1"}, "macro_f1"),
        ({"train": ()}, "at least one example"),
        ({"test": ()}, "at least one example"),
        ({"dev": (Example({"text": "a"}, "good"),)}, r"labels of dev is \['good'\]"),
        ({"groups": ("old",)}, "tiny.groups is 1: one for each of the 2 examples of test"),
        ({"paraphrases": examples("x, said again")}, "tiny.paraphrases is 1: one for each"),
        ({"paraphrases": examples("x", "y")[::-1]}, "other words do not change the label"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict, reason: str):
    with pytest.raises(InputError, match=reason):
        dataclasses.replace(TASK, **change)


def test_a_checksum_is_the_sha256_of_canonical_json():
    """It is part of the identity of stored runs: another form orphans them all."""
    canonical = rb'{"a":null,"b":["\u00fc",1]}'
    assert task_checksum({"b": ["ü", 1], "a": None}) == hashlib.sha256(canonical).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"labels": ("1", "0")},
        {"templates": (Template("{text} :"),)},
        {"verbalizer": Verbalizer({"0": "bad", "1": "fine"})},
        {"verbalizer": Verbalizer({"0": "bad", "1": "good"}, end=".")},
        {"verbalizer": Verbalizer({"0": "bad", "1": ("good", "fine")})},
        {"train": examples("a", "b", "d", "c")},
        {"dev": examples("e", "f")},
        {"ood": examples("e", "f")},
        {"groups": ("old", "new")},
        {"paraphrases": examples("x again", "y again")},
        {"metric": "macro_f1"},
    ],
)
def test_the_checksum_covers_everything(change: dict):
    assert dataclasses.replace(TASK, **change).checksum != TASK.checksum
    assert dataclasses.replace(TASK).checksum == TASK.checksum


def test_the_checksum_of_one_text_each_is_as_ever():
    known = "02e8d34d84176768d5c6c7044297bcb462acb93edf8a559091fad7baec7b250c"
    assert TASK.checksum == known
    alone = Verbalizer({"0": ("bad",), "1": "good"})
    assert dataclasses.replace(TASK, verbalizer=alone).checksum == known


def test_pools_hold_no_text_twice_and_none_of_a_test_split():
    task = dataclasses.replace(
        TASK,
        train=examples("a", "b", "A ", "x", "o", "v", "c"),
        dev=examples("v", "x", "w"),
        ood=examples("o", "p"),
    )
    assert [example.fields["text"] for example in task.pools.train] == ["a", "b", "c"]
    assert [example.fields["text"] for example in task.pools.dev] == ["v", "w"]
    assert task.pools.dropped == 5
    said_again = dataclasses.replace(task, paraphrases=examples("C", "q"))
    assert [example.fields["text"] for example in said_again.pools.train] == ["a", "b"]


def test_what_is_like_test_stands_together():
    assert TASK.tests == {"test": TASK.test}
    task = dataclasses.replace(TASK, ood=examples("o"), paraphrases=examples("x!", "y!"))
    assert task.tests == {"test": TASK.test, "ood": task.ood, "paraphrases": task.paraphrases}


def test_texts_of_pairs_are_compared_as_pairs():
    pairs = tuple(Example({"a": a, "b": b}, a) for a, b in ["01", "10", "00", "11"])
    task = dataclasses.replace(
        TASK, templates=(Template("{a}{b}?"),), train=pairs[:3], test=pairs[3:]
    )
    assert len(task.pools.train) == 3
