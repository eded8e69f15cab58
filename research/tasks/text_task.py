"""A generation task: the answer is a text, and there may be several right ones."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from research.common.errors import InputError, choose_from
from research.common.user_regex import check_expression, matches_in_time
from research.tasks.decoding import Decoding
from research.tasks.metrics.corpus import CORPUS_METRICS
from research.tasks.metrics.referent import referent
from research.tasks.metrics.sql import Database, sql_match
from research.tasks.metrics.text import TEXT_METRICS, TextMetric
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.task import Example, Task, text_key
from research.tasks.texts import ScoredTexts

SQL_METRICS = ("sql_match", "sql_execution")
NAMES = (*TEXT_METRICS, *CORPUS_METRICS, "format", "referent", *SQL_METRICS)

Pair = tuple[Mapping[str, str], Sequence[str]]  # (fields, references) of an example


@dataclass(frozen=True)
class FreeText(Verbalizer):
    r"""Every text stands for itself. end: what follows it, `"\n"`; `""` for the EOS token."""

    texts: Mapping[str, str] = field(default_factory=dict)

    def continuation(self, label: str, place: int = 0) -> str:
        del place
        return f" {label}"


@dataclass(frozen=True)
class TextTask(Task):
    """A task without labels: the label of an example is a text, the first of its references.

    An example is an input with all its references; each of them is trained on, any may be met.
    decoding: how texts are generated. format: a regular expression that an output is asked to
    match as a whole. database: where SQL runs. metric: the headline; recorded are all for which
    there is what they need. Raises InputError for what does not fit together.
    """

    metric: str = "exact_match"
    decoding: Decoding = Decoding()
    format: str | None = None
    database: Database | None = None

    def _check_answers(self) -> None:
        if self.metric not in NAMES:
            raise InputError("metric", self.metric, choose_from(NAMES, self.metric))
        if self.metric == "format" and self.format is None:
            raise InputError("format", None, "the metric 'format' needs a regular expression")
        if self.metric == "sql_execution" and self.database is None:
            allowed = "the metric 'sql_execution' needs a database; 'sql_match' compares texts"
            raise InputError("database", None, allowed)
        if self.format is not None:
            check_expression(self.format, "format")

    def _check(self, split: str, examples: tuple[Example, ...]) -> None:
        super()._check(split, examples)
        for number, example in enumerate(examples, start=1):
            for text in example.references:
                self._check_text(f"example {number} of {split}", text)
            if not example.references or example.label != example.references[0]:
                allowed = "an example has references, and the first is its label"
                raise InputError(f"example {number} of {split}", example.label, allowed)

    def _check_text(self, where: str, text: str) -> None:
        end = self.verbalizer.end
        if not text.strip():
            raise InputError(where, text, "a text to generate may not be empty")
        if end and end in text:
            allowed = f"it contains {end!r}, which ends a text; another `end`, or '' for EOS, helps"
            raise InputError(where, text, allowed)
        if self.database is not None and self.database.rows(text) is None:
            raise InputError(where, text, f"this query fails in {self.database.path}")

    @cached_property
    def item_metrics(self) -> dict[str, TextMetric]:
        """The metrics of single texts that the task has what it takes for."""
        found = dict(TEXT_METRICS)
        if self.format is not None:
            found["format"] = partial(_has_format, self.format)
        if self.metric == "referent":
            found["referent"] = referent
        if self.metric in SQL_METRICS or self.database is not None:
            found["sql_match"] = sql_match
        if self.database is not None:
            found["sql_execution"] = self.database.same_result
        return found

    def judged(self, outputs: Sequence[str], references: Sequence[tuple[str, ...]]) -> ScoredTexts:
        """The outputs beside their references, each measured."""
        items = {
            name: np.array([metric(*one) for one in zip(outputs, references, strict=True)])
            for name, metric in self.item_metrics.items()
        }
        return ScoredTexts(tuple(outputs), tuple(references), items)

    def _content(self) -> dict[str, object]:
        return {
            **super()._content(),
            "end": self.verbalizer.end,
            "decoding": _as_it_was(self.decoding),
            "format": self.format,
            "database": None if self.database is None else self.database.checksum,
        }


def _has_format(pattern: str, output: str, references: Sequence[str]) -> float:
    """1 where the output fits the pattern; not where that takes too long to find out."""
    del references
    return float(matches_in_time(pattern, output) or False)


def _as_it_was(decoding: Decoding) -> dict[str, object]:
    """All fields, without later ones at their default: a checksum has no part in these."""
    values = dataclasses.asdict(decoding)
    later = {"no_repeat_ngram_size"}
    return {n: v for n, v in values.items() if n not in later or v is not None}


def grouped(pairs: Iterable[Pair]) -> tuple[Example, ...]:
    """Examples of (fields, references): equal inputs become one, with the references of all.

    A reference that stands there twice stays there twice.
    """
    found: dict[tuple[str, ...], tuple[Mapping[str, str], list[str]]] = {}
    for fields, references in pairs:
        found.setdefault(text_key(Example(fields, "")), (fields, []))[1].extend(references)
    return tuple(
        Example(fields, references[0] if references else "", tuple(references))
        for fields, references in found.values()
    )
