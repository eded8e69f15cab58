"""A generation task from the user's own files, or from a Hugging Face dataset."""

from dataclasses import dataclass

from research.common.errors import InputError
from research.tasks.datasets.files import Files
from research.tasks.datasets.tables import StringTable
from research.tasks.decoding import Decoding
from research.tasks.metrics.sql import Database
from research.tasks.task import Example, TaskSettings
from research.tasks.text_task import FreeText, TextTask, grouped


@dataclass(frozen=True, kw_only=True)
class TextFileTask(Files, TaskSettings):
    """Examples in files, or in a dataset, whose answer is the text in one column.

    Rows with the same input are one example with several references; further ones may stand in
    columns of their own, where a cell may be empty. metric, format, decoding: as in
    `research.tasks.text_task`. database: a file of sqlite, or of SQL, for `sql_execution`.
    """

    target: str = "target"
    references: tuple[str, ...] = ()  # columns
    metric: str = "exact_match"
    format: str | None = None
    database: str | None = None
    decoding: Decoding = Decoding()

    def load(self) -> TextTask:
        """Reads everything. Raises InputError for what is missing, empty or unknown."""
        for name in self.references:
            if name in (*self.texts, self.target):
                raise InputError("references", name, "a column that is neither text nor target")
        templates = self.prompts(self.target)
        tables = self.tables((self.target, *self.references))
        splits = {split: self._examples(table) for split, table in tables.items()}
        return TextTask(
            self.name,
            (),
            templates,
            FreeText(end=self.end),
            splits["train"],
            splits["test"],
            splits.get("dev", ()),
            splits.get("ood", ()),
            metric=self.metric,
            format=self.format,
            database=Database.at(self.database),
            decoding=self.decoding,
        )

    def _examples(self, table: StringTable) -> tuple[Example, ...]:
        further = [self.values(table, name) for name in self.references]
        rows = zip(self.fields(table), self.filled(table, self.target), *further, strict=True)
        return grouped((fields, [text for text in texts if text]) for fields, *texts in rows)
