"""A generation task from the user's own files, or from a Hugging Face dataset."""

from dataclasses import dataclass

from research.common.errors import InputError
from research.tasks.datasets.files import Files
from research.tasks.datasets.tables import StringTable
from research.tasks.decoding import Decoding
from research.tasks.example import Example
from research.tasks.metrics.output_format import JsonSchema
from research.tasks.metrics.sql import Database
from research.tasks.task_settings import TaskSettings
from research.tasks.text_task import FreeText, TextTask, grouped


@dataclass(frozen=True, kw_only=True)
class TextFileTask(Files, TaskSettings):
    """Examples in files or in a dataset, with a column of texts as the answer.

    Rows with the same input form one example with several references.

    Attributes:
      target: column of the answers.
      references: columns of further references, whose cells may be empty.
      metric: headline metric.
      format: regular expression that an output must match in full.
      json_schema: file of a JSON schema that an output must satisfy, in place of `format`.
      database: SQLite file, or SQL script, for the metric `sql_execution`.
      decoding: how texts are generated.
    """

    target: str = "target"
    references: tuple[str, ...] = ()
    metric: str = "exact_match"
    format: str | None = None
    json_schema: str | None = None
    database: str | None = None
    decoding: Decoding = Decoding()

    def load(self) -> TextTask:
        """Reads everything. Raises InputError for missing, empty or unknown values."""
        for name in self.references:
            if name in (*self.texts, self.target):
                raise InputError("references", name, "a column that is neither text nor target")
        schema = JsonSchema.at(self.json_schema)
        if self.format is not None and schema is not None:
            allowed = "either format or json_schema, not both"
            raise InputError("json_schema", self.json_schema, allowed)
        templates = self.prompts(self.target)
        tables = self.tables(self.target, others=self.references)
        splits = {split: self._examples(table) for split, table in tables.items()}
        return TextTask(
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
            format=schema or self.format,
            database=Database.at(self.database),
            decoding=self.decoding,
        )

    def _examples(self, table: StringTable) -> tuple[Example, ...]:
        references = [self.values(table, name) for name in self.references]
        rows = zip(self.fields(table), self.filled(table, self.target), *references, strict=True)
        return grouped((fields, [text for text in texts if text]) for fields, *texts in rows)
