"""A task with everything that a checks looks for, counted by hand; another by slow loops."""

import itertools
import random

import pytest

from research.common.config import build, resolved
from research.tasks.data_checks import (
    FlaggedRows,
    TaskDataReport,
    report_summary,
    task_data_report,
    warnings,
)
from research.tasks.data_checks.ngrams import normal
from research.tasks.example import Example, text_key
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.task import Task
from research.tasks.world import WorldTask

LONG = "one two three four five six seven eight nine ten eleven twelve"
TRAIN = (
    ("A plain text, that is all there is to say.", "no"),
    ("a plain  text, that is all there is to say.", "no"),  # repeated
    ("A plain text: that is all there is to say!", "yes"),  # the same words, another label
    ("A plain text that is all there is to sax", "yes"),  # nearly the same
    ("Mail me: someone@example.org", "no"),
    ("4111 1111 1111 1111 or +44 20 7946 0958", "no"),
    (LONG, "no"),
)
TEST = (
    ("MAIL me: someone@example.org", "no"),  # shared
    (f"{LONG} thirteen", "no"),  # 5 of 6 8-grams
    (f"zero {LONG.replace('ten', '10')}", "no"),  # 2 of 6
    ("Nothing like it.", "yes"),
)


def task(train, test, **others) -> Task:
    def examples(pairs):
        return tuple(Example({"text": text}, label) for text, label in pairs)

    texts = Verbalizer({"no": "no", "yes": "yes"})
    template = (Template("{text} So"),)
    return Task("t", ("no", "yes"), template, texts, examples(train), examples(test), **others)


@pytest.fixture(scope="module")
def found() -> TaskDataReport:
    return task_data_report(task(TRAIN, TEST))


def test_train(found):
    part = found.parts["train"]
    assert (part.rows, part.labels) == (7, {"no": 5, "yes": 2})
    assert part.repeated == FlaggedRows(1, (2,))
    assert part.conflicting == FlaggedRows(3, (1, 2, 3))
    assert part.nearly == FlaggedRows(3, (1, 2, 4))
    assert part.personal == {
        "e-mail addresses": FlaggedRows(1, (5,)),
        "phone numbers": FlaggedRows(1, (6,)),
        "card numbers": FlaggedRows(1, (6,)),
    }
    assert part.shared == part.grams == FlaggedRows()


def test_test(found):
    part = found.parts["test"]
    assert part.shared == FlaggedRows(1, (1,))
    assert part.grams == FlaggedRows(2, (2, 3)) and part.mostly == FlaggedRows(1, (2,))
    assert part.conflicting == part.nearly == part.repeated == FlaggedRows()


def test_sentences(found):
    assert report_summary(found) == "t: train 7, test 4 rows; 2 labels with 28.6 to 71.4 % of train"
    told = warnings(found)
    assert (
        "1 of 4 rows of test have a text that is also in train or dev, where it is never drawn"
        in told
    )
    assert "1 rows of train seem to hold card numbers" in told
    assert not any("4111" in one or "@" in one for one in [*told, str(resolved(found))])
    alone = task_data_report(task(TRAIN[:1] * 2, TEST[3:]))
    assert "1 of 2 labels have no row in train" in warnings(alone)
    uneven = task([(f"text {i}", "no" if i else "yes") for i in range(11)], TEST[:1] + TEST[3:])
    assert "the labels of train have 1 to 10 rows" in warnings(task_data_report(uneven))


def test_what_is_written_can_be_read(found):
    assert build(TaskDataReport, resolved(found), "data") == found


def test_many_rows_are_counted_and_the_first_named():
    part = task_data_report(task([("same", "no")] * 30, TEST[3:])).parts["train"]
    assert part.repeated == FlaggedRows(29, tuple(range(2, 12)))


CHINESE = "昨天{}我们在{}等了{}才拿到{}，结果{}，{}什么也没说。"
SLOTS = (
    ("早上", "中午", "傍晚", "夜里", "下午"),
    ("火车站", "港口", "博物馆", "市场", "飞机场"),
    ("两个小时", "十分钟", "半个小时", "整整一天", "二十分钟"),
    ("晚饭", "车票", "行李", "咖啡", "房间钥匙"),
    ("已经凉了", "贵得要命", "是坏的", "好极了", "太小了"),
    ("服务员", "保安", "经理", "司机", "老板"),
)


def test_copies_are_told_from_likeness_in_a_script_without_spaces():
    """Texts that share phrases of 8 letters with many others, and copies with another end."""
    draw = random.Random(0)
    texts = [CHINESE.format(*map(draw.choice, SLOTS)) for _ in range(80)]
    train, others = texts[:60], texts[60:]
    copies = [text.replace("什么也没说", "很客气") for text in train[:20]]
    part = task_data_report(
        task([(text, "no") for text in train], [(text, "yes") for text in copies + others])
    ).parts["test"]
    assert part.mostly == FlaggedRows(20, tuple(range(1, 11)))


def test_the_world_by_slow_loops():
    world = WorldTask("novel", train=150, test=60, ood=20).load()
    train, test = ([normal(one.text) for one in of] for of in (world.train, world.test))

    def grams(text):
        words = text.split()
        return [tuple(words[i : i + 8]) for i in range(len(words) - 7)]

    known = set(itertools.chain.from_iterable(map(grams, train)))
    shares = [sum(g in known for g in grams(t)) / max(len(grams(t)), 1) for t in test]
    part = task_data_report(world).parts["test"]
    assert part.grams.count == sum(share > 0 for share in shares) > 0
    assert part.mostly.count == sum(share >= 0.7 for share in shares)
    keys = {text_key(one) for one in world.train}
    assert part.shared.count == sum(text_key(one) in keys for one in world.test)
