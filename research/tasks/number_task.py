"""A regression task, such as the similarity of two sentences."""

import math
from dataclasses import dataclass

from research.common.errors import InputError, check_choice
from research.tasks.example import Example
from research.tasks.metrics.regression import NUMBER_METRICS
from research.tasks.task import Task


@dataclass(frozen=True)
class NumberTask(Task):
    """A task without labels: the label of an example is a number, as written in the source.

    Raises InputError for a label that is not a finite number.
    """

    metric: str = "pearson"

    def _check_answers(self) -> None:
        check_choice("metric", self.metric, NUMBER_METRICS)

    def _check(self, split: str, examples: tuple[Example, ...]) -> None:
        super()._check(split, examples)
        for number, example in enumerate(examples, start=1):
            if not math.isfinite(parse_number(example.label)):
                allowed = "a finite number such as 3.8 is expected"
                raise InputError(f"label {number} of {split}", example.label, allowed)


def parse_number(text: str) -> float:
    """The text as a number; NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
