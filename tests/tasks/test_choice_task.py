"""Tasks whose examples have choices of their own."""

from collections import Counter
from dataclasses import replace

import pytest

from research.common.errors import InputError
from research.tasks.choice_task import ChoiceTask, choice_example
from research.tasks.example import Example, text_key
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText
from research.tasks.sampling import Regime, draw


def questions(begin: int, end: int) -> tuple[Example, ...]:
    """Questions `begin` to `end`, of two or three choices, with the right one in turn."""
    examples = []
    for number in range(begin, end):
        choices = [f"{number + i} apples" for i in range(2 + number % 2)]
        examples.append(
            choice_example({"question": f"How many are {number}?"}, choices, number % len(choices))
        )
    return tuple(examples)


TASK = ChoiceTask(
    name="counting",
    labels=(),
    templates=(Template("{question}\nAnswer:"),),
    verbalizer=FreeText(end=""),
    train=questions(0, 24),
    test=questions(24, 30),
)


def test_the_label_of_an_example_is_the_text_of_its_right_choice():
    example = choice_example({"question": "?"}, ["no", "yes"], 1)
    assert (example.label, example.right_choice, example.choices) == ("yes", 1, ("no", "yes"))
    assert TASK.is_scored and TASK.strata == (None,) and TASK.positions == 3


@pytest.mark.parametrize(
    ("choices", "answer", "reason"),
    [
        ((), 0, "at least two choices"),
        (("yes",), 0, "at least two choices"),
        (("yes", " "), 0, "choice 1 is empty"),
        (("yes", "no", "yes"), 0, "choices 0 and 2 are equal"),
        (("yes", "no"), 2, "answer of row 7 is 2: its 2 choices have the indices 0 to 1"),
        (("yes", "no"), -1, "indices 0 to 1"),
    ],
)
def test_choices_that_cannot_be_scored_are_refused(choices: tuple, answer: int, reason: str):
    with pytest.raises(InputError, match=reason):
        choice_example({"question": "?"}, choices, answer, "row 7")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"metric": "f1"}, "allowed are acc, acc_bytes, acc_norm, accuracy"),
        ({"balance": "label"}, "none, position"),
        ({"labels": ("a", "b")}, "each example has its own choices"),
        ({"verbalizer": FreeText(end="pp")}, r"choices of example 1 of train is '0 apples'.*'pp'"),
        ({"dev": (Example({"question": "?"}, "yes"),)}, "choices of example 1 of dev"),
        (
            {"dev": (Example({"question": "?"}, "yes", choices=("no", "never")),)},
            "answer of example 1 of dev is 'yes': one of its choices is expected: 'no', 'never'",
        ),
        ({"templates": (Template("{text}:"),)}, "no column 'text'"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict, reason: str):
    with pytest.raises(InputError, match=reason):
        replace(TASK, **change)


def test_draws_are_balanced_over_positions_if_the_task_says_so():
    task = replace(TASK, balance="position")
    assert task.strata == ("0", "1", "2")
    split = draw(task, Regime.parse("2-shot"), seed=0)
    for examples in (split.train, split.dev):
        assert Counter(example.right_choice for example in examples) == {0: 2, 1: 2, 2: 2}
    assert len(draw(TASK, Regime.parse("2-shot"), seed=0).train) == 2


def test_the_same_question_with_the_same_choices_in_another_order_leaks():
    asked = TASK.test[1]
    turned = replace(asked, choices=asked.choices[::-1])
    other = replace(asked, choices=(*asked.choices, "none"))
    assert text_key(turned) == text_key(asked) != text_key(other)
    pools = replace(TASK, train=(*TASK.train, turned, other)).pools
    assert pools.dropped == 1 and pools.train == (*TASK.train, other)


def test_the_checksum_holds_choices_and_what_draws_depend_on():
    example = replace(TASK.train[0], choices=(*TASK.train[0].choices, "none"))
    changes = [
        {"train": (example, *TASK.train[1:])},
        {"balance": "position"},
        {"metric": "acc_norm"},
        {"verbalizer": FreeText(end="\n")},
        {"verbalizer": FreeText(end="", start="\n")},
        {"separator": "\n\n"},
    ]
    checksums = {replace(TASK, **change).checksum for change in changes}
    assert len(checksums | {TASK.checksum}) == 1 + len(changes)
