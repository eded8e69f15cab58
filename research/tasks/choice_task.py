"""A task of multiple choice: each item has choices of its own, and one of them is right."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Literal, get_args

from research.common.errors import InputError, check_choice
from research.tasks.example import Example
from research.tasks.metrics.choice import CHOICE_METRICS
from research.tasks.task import Task

Balance = Literal["none", "position"]


def choice_example(
    fields: Mapping[str, str], choices: Iterable[str], answer: int, where: str = "an example"
) -> Example:
    """The example whose right choice has the index `answer`, from 0.

    Args:
      fields: columns that a template may use.
      choices: the texts to choose from, in their order.
      answer: index of the right one.
      where: the example, for messages.

    Raises InputError for fewer than two choices, an empty one, two equal ones, and for an index
    that no choice has.
    """
    choices = tuple(choices)
    check_choices(choices, where)
    if not 0 <= answer < len(choices):
        allowed = f"its {len(choices)} choices have the indices 0 to {len(choices) - 1}"
        raise InputError(f"answer of {where}", answer, allowed)
    return Example(fields, choices[answer], choices=choices)


def check_choices(choices: tuple[str, ...], where: str) -> None:
    """Raises InputError unless there are at least two choices, none empty and no two equal."""
    field = f"choices of {where}"
    if len(choices) < 2:
        raise InputError(field, choices, "at least two choices are needed")
    for number, text in enumerate(choices):
        if not text.strip():
            raise InputError(field, text, f"choice {number} is empty, so it has no score")
        if text in choices[:number]:
            allowed = f"choices {choices.index(text)} and {number} are equal; each is its own text"
            raise InputError(field, text, allowed)


@dataclass(frozen=True)
class ChoiceTask(Task):
    """A task without labels: each example has choices, and its label is the right one's text.

    See `choice_example`. The number of choices may differ from example to example. Raises
    InputError for choices that cannot be scored.

    Attributes:
      metric: headline metric; all of `CHOICE_METRICS` are recorded.
      balance: over what few-shot draws are balanced: nothing, or the position of the right choice.
    """

    balance: Balance = "none"

    def _check_answers(self) -> None:
        check_choice("metric", self.metric, CHOICE_METRICS)
        check_choice("balance", self.balance, get_args(Balance))
        if self.labels:
            raise InputError("labels", self.labels, "each example has its own choices")

    def _check(self, split: str, examples: tuple[Example, ...]) -> None:
        super()._check(split, examples)
        end = self.verbalizer.end
        for number, example in enumerate(examples, start=1):
            where = f"example {number} of {split}"
            check_choices(example.choices, where)
            if example.label not in example.choices:
                allowed = f"one of its choices is expected: {', '.join(map(repr, example.choices))}"
                raise InputError(f"answer of {where}", example.label, allowed)
            ended = [text for text in example.choices if end and end in text]
            if ended:
                allowed = f"it contains {end!r}, which ends a choice; another `end`, or '', helps"
                raise InputError(f"choices of {where}", ended[0], allowed)

    @property
    def is_scored(self) -> bool:
        """True: the choices are scored."""
        return True

    @cached_property
    def positions(self) -> int:
        """The largest number of choices of an example."""
        examples = chain(self.train, self.dev, *self.tests.values())
        return max(len(example.choices) for example in examples)

    @property
    def strata(self) -> tuple[str | None, ...]:
        """The positions of a right choice in train, as texts, or None for all together."""
        if self.balance == "none":
            return (None,)
        return tuple(map(str, sorted({example.right_choice for example in self.train})))

    def stratum(self, example: Example) -> str:
        """The position of the right choice."""
        return str(example.right_choice)

    def _content(self) -> dict[str, object]:
        texts = {"start": self.verbalizer.start, "end": self.verbalizer.end}
        return {**super()._content(), **texts, "balance": self.balance}
