"""The metrics of a task whose answers are texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from research.common.errors import InputError, check_choice
from research.tasks.metrics.corpus import CORPUS_METRICS, has_four_words
from research.tasks.metrics.extraction_f1 import (
    EXTRACTION_METRICS,
    check_references,
    extraction_metrics,
)
from research.tasks.metrics.number import number
from research.tasks.metrics.output_format import Format, check_format, in_format
from research.tasks.metrics.referent import referent
from research.tasks.metrics.sql import Database, sql_match
from research.tasks.metrics.text import TEXT_METRICS, TextMetric

SQL_METRICS = ("sql_match", "sql_execution")
NAMES = (
    *TEXT_METRICS,
    *CORPUS_METRICS,
    "format",
    "number",
    "referent",
    *SQL_METRICS,
    *EXTRACTION_METRICS,
)


@dataclass(frozen=True)
class TextMetricSet:
    """The headline metric, and all metrics whose requirements the task meets.

    Attributes:
      headline: one of `NAMES`.
      format: regular expression or JSON schema of an output; None for none.
      database: in which SQL is executed; None for none.
    """

    headline: str
    format: Format | None
    database: Database | None

    def check(self, answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
        """Raises InputError for an unknown headline metric and for one that lacks what it needs.

        Args:
          answers: the references of each example, by split.
        """
        check_choice("metric", self.headline, NAMES)
        if self.headline == "format" and self.format is None:
            allowed = "the metric 'format' needs a regular expression or a JSON schema"
            raise InputError("format", None, allowed)
        if self.headline == "sql_execution" and self.database is None:
            allowed = "the metric 'sql_execution' needs a database; 'sql_match' compares texts"
            raise InputError("database", None, allowed)
        check_format(self.format)
        if self.headline in EXTRACTION_METRICS:
            for split, references in answers.items():
                check_references(self.headline, split, references)
        if self.headline == "bleu":
            _check_four_words({split: answers[split] for split in ("train", "dev", "test")})

    def of_items(self, answers: Sequence[Sequence[str]]) -> dict[str, TextMetric]:
        """Metrics of single texts whose requirements the task meets.

        Args:
          answers: the references of each test example.
        """
        metrics = dict(TEXT_METRICS)
        if self.format is not None:
            metrics["format"] = partial(in_format, self.format)
        if self.headline in EXTRACTION_METRICS:
            metrics |= extraction_metrics(answers)
        if self.headline == "number":
            metrics["number"] = number
        if self.headline == "referent":
            metrics["referent"] = referent
        if self.headline in SQL_METRICS or self.database is not None:
            metrics["sql_match"] = sql_match
        if self.database is not None:
            metrics["sql_execution"] = self.database.same_result
        return metrics


def _check_four_words(answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """Raises InputError where BLEU, of n-grams up to four words, is 0 for every answer."""
    for split, references in answers.items():
        texts = [text for of_example in references for text in of_example]
        if texts and not any(map(has_four_words, texts)):
            allowed = f"no text of {split} has four words, so it is always 0; use chrf"
            raise InputError("metric", "bleu", allowed)
