"""A regression task from the user's own files, or from a Hugging Face dataset."""

from dataclasses import dataclass

from research.tasks.datasets.files import Files
from research.tasks.datasets.tables import StringTable
from research.tasks.example import Example
from research.tasks.number_task import NumberTask
from research.tasks.prompts.verbalizer import FreeText
from research.tasks.task_settings import Outline, TaskSettings


@dataclass(frozen=True, kw_only=True)
class NumberFileTask(Files, TaskSettings):
    """Examples in files or in a dataset, with a column of numbers as the answer.

    Attributes:
      label: column of the numbers.
      metric: headline metric.
    """

    label: str = "label"
    metric: str = "pearson"

    def outline(self) -> Outline | None:
        """Outline of a hub dataset before it is downloaded; None for files."""
        return (
            None
            if self.path is None
            else Outline(name=self.name, labels=(), templates=self.prompts(self.label))
        )

    def load(self) -> NumberTask:
        """Reads everything. Raises InputError for missing or empty values and for non-numbers."""
        templates, tables = self.prompts(self.label), self.tables(self.label)
        splits = {use: self._examples(table) for use, table in tables.items()}
        return NumberTask(
            name=self.name,
            labels=(),
            templates=templates,
            verbalizer=FreeText(end=self.end),
            train=splits["train"],
            test=splits["test"],
            dev=splits.get("dev", ()),
            ood=splits.get("ood", ()),
            metric=self.metric,
            reader=self.reader,
            skipped=self.skipped(tables),
        )

    def _examples(self, table: StringTable) -> tuple[Example, ...]:
        return tuple(map(Example, self.fields(table), self.filled(table, self.label)))
