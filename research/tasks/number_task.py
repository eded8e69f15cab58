"""A task whose answer is a number, such as how alike two sentences are."""

import math
from dataclasses import dataclass

from research.errors import InputError, choose_from
from research.tasks.files import Files
from research.tasks.number_metrics import NUMBER_METRICS
from research.tasks.tables import Table
from research.tasks.task import Example, Outline, Task
from research.tasks.text_task import FreeText


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
            if not math.isfinite(number(example.label)):
                allowed = "a finite number such as 3.8 is expected"
                raise InputError(f"label {place} of {split}", example.label, allowed)


def number(text: str) -> float:
    """The number that a text writes; NaN where it writes none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


@dataclass(frozen=True, kw_only=True)
class NumberFileTask(Files):
    """Examples in files, or in a dataset, whose answer is the number in one column."""

    label: str = "label"
    metric: str = "pearson"

    def outline(self) -> Outline | None:
        """What a dataset of the hub is known to be before it is fetched."""
        return None if self.path is None else Outline(self.name, (), self.prompts(self.label))

    def load(self) -> NumberTask:
        """Reads everything. Raises InputError for what is missing, empty or no number."""
        templates, tables = self.prompts(self.label), self.tables((self.label,))
        splits = {use: self._examples(table) for use, table in tables.items()}
        return NumberTask(
            self.name,
            (),
            templates,
            FreeText(end=self.end),
            splits["train"],
            splits["test"],
            splits.get("dev", ()),
            splits.get("ood", ()),
            metric=self.metric,
        )

    def _examples(self, table: Table) -> tuple[Example, ...]:
        return tuple(map(Example, self.fields(table), table.column(self.label, floats=True)))
