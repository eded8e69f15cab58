"""A generation task from the user's own files, or from a Hugging Face dataset."""

import re
from dataclasses import dataclass

from research.common.errors import InputError
from research.tasks.datasets.files import Files
from research.tasks.datasets.tables import StringTable
from research.tasks.decoding import Decoding
from research.tasks.example import Example, grouped
from research.tasks.metrics.output_format import JsonSchema
from research.tasks.metrics.sql import Database
from research.tasks.prompts.verbalizer import FreeText
from research.tasks.task_settings import TaskSettings
from research.tasks.text_task import TextTask


@dataclass(frozen=True, kw_only=True)
class TextFileTask(Files, TaskSettings):
    """Examples in files or in a dataset, with a column of texts as the answer.

    Rows with the same input form one example with several references.

    Attributes:
      target: column of the answers.
      references: columns of further references, whose cells may be empty.
      rationale: column of the reasoning before an answer, for rows with `rationale`; test may lack
        it.
      metric: headline metric.
      format: regular expression that an output must match in full.
      json_schema: file of a JSON schema that an output must satisfy, in place of `format`.
      answer: regular expression that finds the answer in outputs and references: the first filled
        group of the last match.
      marker: text before the answer, in place of `answer`: the answer is the rest of the line
        after the last one. It is written before every target that lacks it.
      database: SQLite file, or SQL script, for the metric `sql_execution`.
      decoding: how texts are generated.
    """

    target: str = "target"
    references: tuple[str, ...] = ()
    rationale: str | None = None
    metric: str = "exact_match"
    format: str | None = None
    json_schema: str | None = None
    answer: str | None = None
    marker: str | None = None
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
        if self.rationale in (*self.texts, self.target, *self.references):
            allowed = "a column that is neither text nor target nor reference"
            raise InputError("rationale", self.rationale, allowed)
        if self.marker is not None and (self.answer is not None or not self.marker.strip()):
            allowed = "a text to stand before the answer is expected, and no `answer` beside it"
            raise InputError("marker", self.marker, allowed)
        templates = self.prompts(self.target)
        others = (*self.references, *([self.rationale] if self.rationale else []))
        tables = self.tables(self.target, others=others)
        splits = {split: self._examples(split, table) for split, table in tables.items()}
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
            answer=self.answer if self.marker is None else after_marker(self.marker),
            database=Database.at(self.database),
            decoding=self.decoding,
        )

    def _examples(self, split: str, table: StringTable) -> tuple[Example, ...]:
        columns = [self.values(table, name) for name in self.references]
        rows = zip(self.filled(table, self.target), *columns, strict=True)
        references = [[self._target(text) for text in texts if text] for texts in rows]
        pairs = zip(self.fields(table), references, strict=True)
        if self.rationale is None or (split == "test" and self.rationale not in table.columns):
            return grouped(pairs)
        before = zip(self.values(table, self.rationale), references, strict=True)
        return grouped(pairs, ([rationale] * len(texts) for rationale, texts in before))

    def _target(self, text: str) -> str:
        """The text with the marker before it."""
        if self.marker is None or self.marker.strip() in text:
            return text
        return f"{self.marker.strip()} {text}"


def after_marker(marker: str) -> str:
    """The regular expression of what follows the last marker of a line, up to its end."""
    return after_pattern(re.escape(marker.strip()))


def after_pattern(marker: str) -> str:
    """The same for a marker that is a regular expression."""
    return rf"(?:{marker})[^\S\n]*((?:(?!{marker})[^\n])*)"
