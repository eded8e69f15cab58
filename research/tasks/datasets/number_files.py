"""TODO tasks/datasets/number_files.py"""

from dataclasses import dataclass

from research.tasks.datasets.files import Files
from research.tasks.datasets.tables import StringTable
from research.tasks.number_task import NumberTask
from research.tasks.task import Example, Outline, TaskSettings
from research.tasks.text_task import FreeText


@dataclass(frozen=True, kw_only=True)
class NumberFileTask(Files, TaskSettings):
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

    def _examples(self, table: StringTable) -> tuple[Example, ...]:
        return tuple(map(Example, self.fields(table), table.column(self.label, floats=True)))
