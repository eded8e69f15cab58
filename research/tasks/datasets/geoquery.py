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
from research.tasks.metrics.sql import Database
from research.tasks.prompts.template import Template
from research.tasks.task import Example, TaskSettings
from research.tasks.text_task import FreeText, TextTask, grouped

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, kw_only=True)
class GeoQueryTask(TaskSettings):
    """file: `geography.json`, or another of text2sql-data of the same form. split: by `question`,
    where queries of test may stand in train with other names, or by `query`, where none does.
    database: a file of sqlite, or of SQL, to execute queries in; without one they are compared as
    texts. metric: the headline; default: by execution where there is a database.
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
    metric: str | None = None
    decoding: Decoding = Decoding(max_new_tokens=256)

    def load(self) -> TextTask:
        """Raises InputError for a file that is missing or of another form."""
        database = Database.at(self.database)
        default = "sql_execution" if database else "sql_match"
        splits = _splits(resolve_path(self.file, "file"), f"{self.split}-split")
        return TextTask(
            self.name,
            (),
            tuple(map(Template, self.templates)),
            FreeText(end=self.end),
            splits["train"],
            splits["test"],
            splits["dev"],
            metric=self.metric or default,
            database=database,
            decoding=self.decoding,
        )


def _splits(file: str, by: str) -> dict[str, tuple[Example, ...]]:
    try:
        entries = parse_json(Path(file).read_bytes())
        found = [
            (sentence[by] if by in sentence else entry[by], _pair(entry, sentence))
            for entry in entries
            for sentence in entry["sentences"]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        allowed = f"a file such as geography.json of text2sql-data is expected ({error!r})"
        raise InputError("file", file, allowed) from error
    return {split: grouped(pair for of, pair in found if of == split) for split in SPLITS}


def _pair(entry: dict[str, Any], sentence: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """(question, its queries), the variables of both replaced by their values."""
    question, queries = sentence["text"], entry["sql"]
    if not isinstance(queries, list) or not all(isinstance(x, str) for x in (question, *queries)):
        raise TypeError("text is a string, and sql a list of them")
    for name, value in sentence["variables"].items():
        question = question.replace(name, value)
        queries = [query.replace(name, value) for query in queries]
    return {"question": question}, queries
