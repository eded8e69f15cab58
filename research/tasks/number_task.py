"""A task whose answer is a number, such as how alike two sentences are."""

import math
from dataclasses import dataclass

from research.common.errors import InputError, choose_from
from research.tasks.metrics.regression import NUMBER_METRICS
from research.tasks.task import Example, Task


@dataclass(frozen=True)
class NumberTask(Task):
    """A task without labels: the label of an example is the right number, as it was written.

    Raises InputError for an example whose label is no finite number.
    """

    metric: str = "pearson"

    def _check_answers(self) -> None:
        if self.metric not in NUMBER_METRICS:
            raise InputError("metric", self.metric, choose_from(NUMBER_METRICS, self.metric))

    def _check(self, split: str, examples: tuple[Example, ...]) -> None:
        super()._check(split, examples)
        for place, example in enumerate(examples, start=1):
            if not math.isfinite(parse_number(example.label)):
                allowed = "a finite number such as 3.8 is expected"
                raise InputError(f"label {place} of {split}", example.label, allowed)


def parse_number(text: str) -> float:
    """The number that a text writes; NaN where it writes none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
