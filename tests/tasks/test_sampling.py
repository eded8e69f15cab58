import dataclasses
from collections import Counter

import numpy as np
import pytest

from research.common.errors import InputError
from research.tasks.example import Example, text_key
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.sampling import Regime, Split, draw, order
from research.tasks.task import Task


def pool(start: int, size: int) -> tuple[Example, ...]:
    """Class 0 half of the time, class 1 and 2 a quarter each."""
    return tuple(Example({"text": f"text {i}"}, "0102"[i % 4]) for i in range(start, start + size))


TASK = Task(
    name="tiny",
    labels=("0", "1", "2"),
    templates=(Template("{text}:"),),
    verbalizer=Verbalizer({"0": "a", "1": "b", "2": "c"}),
    train=pool(0, 200),
    test=pool(190, 40),  # ten of them stand in train as well
)
WITH_DEV = dataclasses.replace(TASK, dev=pool(1000, 80))


def keys(examples: tuple[Example, ...]) -> set[tuple[str, ...]]:
    return {text_key(example) for example in examples}


def classes(examples: tuple[Example, ...]) -> Counter[str]:
    return Counter(example.label for example in examples)


@pytest.mark.parametrize("task", [TASK, WITH_DEV], ids=["dev from train", "dev of its own"])
@pytest.mark.parametrize("regime", ["1-shot", "16-shot", 30, "all"])
@pytest.mark.parametrize("seed", [0, 1, 12345678901])
def test_train_dev_and_test_share_no_text(task: Task, regime: str, seed: int):
    split = draw(task, Regime.parse(regime), seed)
    train, dev, test = keys(split.train), keys(split.dev), keys(task.test)
    assert len(train) == len(split.train) and len(dev) == len(split.dev) > 0
    assert not train & dev and not train & test and not dev & test
    assert split.dropped == 10
    assert dev <= keys(task.dev or task.train) and train <= keys(task.train)


@pytest.mark.parametrize("task", [TASK, WITH_DEV], ids=["dev from train", "dev of its own"])
def test_few_shots_are_balanced_and_dev_is_as_large(task: Task):
    split = draw(task, Regime.parse("8-shot"), 0)
    assert classes(split.train) == classes(split.dev) == {"0": 8, "1": 8, "2": 8}
    capped = draw(task, Regime.parse("8-shot"), 0, max_dev=10)
    assert classes(capped.train) == {"0": 8, "1": 8, "2": 8}
    assert classes(capped.dev) == {"0": 3, "1": 3, "2": 3}
    assert classes(draw(task, Regime.parse("8-shot"), 0, max_dev=1).dev) == {"0": 1, "1": 1, "2": 1}


def test_other_regimes_have_their_size():
    split = draw(TASK, Regime.parse("50"), 0)
    assert (len(split.train), len(split.dev)) == (50, 50)
    split = draw(TASK, Regime.parse(50), 0, max_dev=20)
    assert (len(split.train), len(split.dev)) == (50, 20)
    split = draw(TASK, Regime.parse("all"), 0, max_dev=20)
    assert (len(split.train), len(split.dev)) == (170, 20)
    split = draw(WITH_DEV, Regime.parse("all"), 0)
    assert (len(split.train), len(split.dev)) == (190, 80)


@pytest.mark.parametrize(("small", "large"), [("2-shot", "16-shot"), (20, 60)])
def test_a_larger_draw_of_a_seed_contains_the_smaller(small: str, large: str):
    few, many = (draw(TASK, Regime.parse(regime), 3) for regime in (small, large))
    assert few.train == many.train[: len(few.train)]
    assert few.dev == many.dev[: len(few.dev)]


def test_the_seed_decides_and_the_template_does_not():
    regime = Regime.parse("8-shot")
    other = dataclasses.replace(TASK, templates=(Template("Text: {text}\nClass:"),))
    assert draw(other, regime, 0) == draw(TASK, regime, 0)
    draws = [draw(TASK, regime, seed) for seed in range(20)]
    assert len({split.checksum for split in draws}) == 20
    assert len({frozenset(keys(split.dev)) for split in draws}) == 20


def test_every_example_is_equally_likely():
    counts = Counter(
        example.fields["text"]
        for seed in range(400)
        for example in draw(TASK, Regime.parse(19), seed).train
    )
    # 400 draws of a tenth of the pool: 40 expected of each, standard deviation 6.
    assert len(counts) == 190
    assert min(counts.values()) > 15 and max(counts.values()) < 70


def test_draws_are_pinned():
    """The same on every platform and in every version: stored runs name these checksums."""
    assert order(6, 0, 0, 0).tolist() == [3, 2, 1, 0, 4, 5]
    assert order(6, 1, 2, 0).tolist() == [5, 3, 2, 1, 0, 4]
    assert draw(TASK, Regime.parse("2-shot"), 0).checksum[:16] == "c155c1be1463b95f"


def test_the_checksum_is_that_of_the_texts_and_labels():
    split = draw(TASK, Regime.parse("2-shot"), 0)
    relabelled = tuple(
        dataclasses.replace(e, label=str((int(e.label) + 1) % 3)) for e in TASK.train
    )
    other = draw(dataclasses.replace(TASK, train=relabelled), Regime.parse("2-shot"), 0)
    assert isinstance(split, Split) and len(split.checksum) == 64
    assert other.checksum != split.checksum


@pytest.mark.parametrize("value", ["16-shot", "500", 500, "all"])
def test_regimes_read_what_they_write(value: str | int):
    regime = Regime.parse(value)
    assert str(regime) == str(value)
    assert Regime.parse(str(regime)) == regime == Regime.parse(regime)


@pytest.mark.parametrize("value", ["0-shot", "-1", 0, "16 shot", "many", 1.5, True, None])
def test_other_regimes_are_refused(value: object):
    with pytest.raises(InputError, match="regime is"):
        Regime.parse(value)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("task", "regime", "reason"),
    [
        (TASK, "24-shot", "class '2' has 47 examples .* 24 for train and 24 for dev"),
        (WITH_DEV, "96-shot", "class '0' has 95 examples to draw from, needed are 96 for train.$"),
        (WITH_DEV, "21-shot", "class '1' has 20 examples in dev, 21 are needed"),
        (TASK, "96", "190 examples .* 96 for train and 96 for dev"),
        (WITH_DEV, "191", "190 examples to draw from"),
    ],
)
def test_too_few_examples_are_an_error(task: Task, regime: str, reason: str):
    with pytest.raises(InputError, match=reason):
        draw(task, Regime.parse(regime), 0)


def test_negative_seeds_are_refused():
    with pytest.raises(InputError, match="seed is -1"):
        draw(TASK, Regime.parse("2-shot"), -1)


def test_order_is_a_permutation():
    np.testing.assert_array_equal(np.sort(order(1000, 7, 0, 0)), np.arange(1000))
