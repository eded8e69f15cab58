"""A generation task: the answer is a text, with one or more references."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain

import numpy as np

from research.common.errors import InputError, check_choice
from research.tasks.decoding import Decoding
from research.tasks.example import Example, text_key
from research.tasks.metrics.corpus import CORPUS_METRICS, has_four_words
from research.tasks.metrics.extraction import (
    EXTRACTION_METRICS,
    check_references,
    extraction_metrics,
)
from research.tasks.metrics.output_format import (
    Format,
    check_format,
    format_to_json,
    in_format,
)
from research.tasks.metrics.referent import referent
from research.tasks.metrics.sql import Database, sql_match
from research.tasks.metrics.text import TEXT_METRICS, TextMetric
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.task import MetricWords, Task
from research.tasks.texts import ScoredTexts
from research.tasks.words import beyond_latin

SQL_METRICS = ("sql_match", "sql_execution")
NAMES = (*TEXT_METRICS, *CORPUS_METRICS, "format", "referent", *SQL_METRICS, *EXTRACTION_METRICS)

Pair = tuple[Mapping[str, str], Sequence[str]]  # (fields, references) of an example


@dataclass(frozen=True)
class FreeText(Verbalizer):
    r"""Verbalizer of generation: every text is its own target, followed by `end` (`""`: EOS)."""

    texts: Mapping[str, str] = field(default_factory=dict)

    def text(self, label: str, index: int = 0) -> str:
        del index
        return label


@dataclass(frozen=True)
class TextTask(Task):
    """A task without labels: the label of an example is its first reference.

    Training uses every reference; an output is scored against all. Raises InputError for
    inconsistent parts.

    Attributes:
      metric: headline metric; every metric whose requirements are met is recorded.
      decoding: how texts are generated.
      format: regular expression that an output must match in full, or a JSON schema.
      database: in which SQL is executed.
    """

    metric: str = "exact_match"
    decoding: Decoding = Decoding()
    format: Format | None = None
    database: Database | None = None

    def _check_answers(self) -> None:
        check_choice("metric", self.metric, NAMES)
        if self.metric == "format" and self.format is None:
            allowed = "the metric 'format' needs a regular expression or a JSON schema"
            raise InputError("format", None, allowed)
        if self.metric == "sql_execution" and self.database is None:
            allowed = "the metric 'sql_execution' needs a database; 'sql_match' compares texts"
            raise InputError("database", None, allowed)
        check_format(self.format)
        if self.metric in EXTRACTION_METRICS:
            for split, examples in {**self.splits, **self.tests}.items():
                answers = [example.references for example in examples]
                check_references(self.metric, split, answers)
        if self.metric == "bleu":
            self._check_lengths()

    def _check_lengths(self) -> None:
        """Raises InputError where BLEU, of n-grams up to four words, is 0 for every answer."""
        for split in ("train", "dev", "test"):
            texts = [text for example in self.splits[split] for text in example.references]
            if texts and not any(map(has_four_words, texts)):
                allowed = f"no text of {split} has four words, so it is always 0; use chrf"
                raise InputError("metric", self.metric, allowed)

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
            allowed = f"this query fails in {self.database.path}, or its result varies"
            raise InputError(where, text, allowed)

    @cached_property
    def metric_words(self) -> MetricWords:
        """ "unicode" where a reference has letters or digits that Latin text does not have."""
        examples = (*self.train, *self.dev, *chain(*self.tests.values()))
        texts = chain.from_iterable(example.references for example in examples)
        return "unicode" if any(map(beyond_latin, texts)) else "latin"

    @cached_property
    def item_metrics(self) -> dict[str, TextMetric]:
        """Metrics of single texts whose requirements the task meets."""
        metrics = dict(TEXT_METRICS)
        if self.format is not None:
            metrics["format"] = partial(in_format, self.format)
        if self.metric in EXTRACTION_METRICS:
            metrics |= extraction_metrics([example.references for example in self.test])
        if self.metric == "referent":
            metrics["referent"] = referent
        if self.metric in SQL_METRICS or self.database is not None:
            metrics["sql_match"] = sql_match
        if self.database is not None:
            metrics["sql_execution"] = self.database.same_result
        return metrics

    def judged(self, outputs: Sequence[str], references: Sequence[tuple[str, ...]]) -> ScoredTexts:
        """Scores outputs against their references."""
        items = {
            name: np.array([metric(*pair) for pair in zip(outputs, references, strict=True)])
            for name, metric in self.item_metrics.items()
        }
        return ScoredTexts(tuple(outputs), tuple(references), items)

    def _content(self) -> dict[str, object]:
        return {
            **super()._content(),
            "end": self.verbalizer.end,
            "decoding": _decoding_to_json(self.decoding),
            "format": format_to_json(self.format),
            "database": None if self.database is None else self.database.checksum,
        }


def _decoding_to_json(decoding: Decoding) -> dict[str, object]:
    """All fields; newer ones only where set, so that checksums of older tasks stay the same."""
    values = dataclasses.asdict(decoding)
    if decoding.no_repeat_ngram_size is None:
        del values["no_repeat_ngram_size"], values["no_repeat_in_prompt"]
    return values


def grouped(pairs: Iterable[Pair]) -> tuple[Example, ...]:
    """Examples of (fields, references) pairs; equal inputs are merged, with all references.

    Repeated references are kept.
    """
    groups: dict[tuple[str, ...], tuple[Mapping[str, str], list[str]]] = {}
    for fields, references in pairs:
        groups.setdefault(text_key(Example(fields, "")), (fields, []))[1].extend(references)
    return tuple(
        Example(fields, references[0] if references else "", tuple(references))
        for fields, references in groups.values()
    )
