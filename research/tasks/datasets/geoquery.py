"""GeoQuery: questions about the United States and their SQL (Zelle & Mooney 1996; the SQL and the
splits of Finegan-Dollak et al. 2018, arXiv 1806.09029).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from research.common.errors import InputError
from research.common.json_io import parse_json
from research.common.paths import resolve_path
from research.tasks.decoding import Decoding
from research.tasks.example import Example, grouped
from research.tasks.metrics.sql import Database
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText
from research.tasks.task_settings import TaskSettings
from research.tasks.text_task import TextTask

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, kw_only=True)
class GeoQueryTask(TaskSettings):
    """Settings of GeoQuery.

    Attributes:
      file: `geography.json`, or another file of text2sql-data in the same format.
      name: of the task.
      split: "question": test queries may occur in train with other names; "query": none does.
      database: SQLite file, or SQL script, in which queries are executed; None compares texts.
      templates: prompts with the column `question`.
      end: text that ends a target.
      format: regular expression that a query must match in full; None for no format.
      metric: headline metric; default `sql_execution` with a database, else `sql_match`.
      decoding: how queries are generated.
    """

    file: str
    name: str = "geoquery"
    split: Literal["question", "query"] = "question"
    database: str | None = None
    templates: tuple[str, ...] = (
        "Question: {question}\nSQL:",
        "{question}\nSQL:",
        "Translate to SQL: {question}\nAnswer:",
    )
    end: str = "\n"
    format: str | None = None
    metric: str | None = None
    decoding: Decoding = Decoding(max_new_tokens=256)

    def load(self) -> TextTask:
        """Raises InputError for a file that is missing or in another format."""
        database = Database.at(self.database)
        default = "sql_execution" if database else "sql_match"
        splits = _splits(resolve_path(self.file, "file"), f"{self.split}-split")
        return TextTask(
            name=self.name,
            labels=(),
            templates=tuple(map(Template, self.templates)),
            verbalizer=FreeText(end=self.end),
            train=splits["train"],
            test=splits["test"],
            dev=splits["dev"],
            metric=self.metric or default,
            format=self.format,
            database=database,
            decoding=self.decoding,
        )


def _splits(file: str, by: str) -> dict[str, tuple[Example, ...]]:
    try:
        entries = parse_json(Path(file).read_bytes())
        pairs = [
            (sentence[by] if by in sentence else entry[by], _pair(entry, sentence))
            for entry in entries
            for sentence in entry["sentences"]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        allowed = f"a file such as geography.json of text2sql-data is expected ({error!r})"
        raise InputError("file", file, allowed) from error
    return {split: grouped(pair for name, pair in pairs if name == split) for split in SPLITS}


def _pair(entry: dict[str, Any], sentence: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """The question and its queries, with variables replaced by their values."""
    question, queries = sentence["text"], entry["sql"]
    if not isinstance(queries, list) or not all(isinstance(x, str) for x in (question, *queries)):
        raise TypeError("text must be a string and sql a list of strings")
    for name, value in sentence["variables"].items():
        question = question.replace(name, value)
        queries = [query.replace(name, value) for query in queries]
    return {"question": question}, queries
