"""A generation task: the answer is a text, with one or more references."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from research.common.errors import InputError
from research.common.user_regex import SECONDS, check_extraction
from research.tasks.answers import AnswerParser
from research.tasks.decoding import Decoding, decoding_to_json
from research.tasks.example import Example
from research.tasks.metrics.output_format import Format, format_to_json
from research.tasks.metrics.sql import Database
from research.tasks.metrics.text import TextMetric
from research.tasks.metrics.text_metric_set import TextMetricSet
from research.tasks.task import MetricWords, Task
from research.tasks.text_judge import TextJudge
from research.tasks.texts import ScoredTexts
from research.tasks.words import beyond_latin


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
      answer: regular expression that finds the answer in outputs and references, of which the
        answers alone are compared: the first filled group of the last match. An output without a
        match is wrong. None: the whole text is the answer.
    """

    metric: str = "exact_match"
    decoding: Decoding = Decoding()
    format: Format | None = None
    database: Database | None = None
    answer: str | None = None

    def _check_answers(self) -> None:
        splits = {**self.splits, **self.tests}
        self._metrics.check({split: _references(examples) for split, examples in splits.items()})
        if self.answer is not None:
            check_extraction(self.answer, "answer")

    def _check(self, split: str, examples: tuple[Example, ...]) -> None:
        super()._check(split, examples)
        for index, example in enumerate(examples, start=1):
            where = f"example {index} of {split}"
            answers = [self._checked_answer(where, text) for text in example.references]
            if not example.references or example.label != example.references[0]:
                allowed = "an example has references, and the first is its label"
                raise InputError(where, example.label, allowed)
            if self.has_rationales:
                self._check_rationales(where, example, answers, required=split in ("train", "dev"))

    def _checked_answer(self, where: str, text: str) -> str:
        """The answer in a text to generate. Raises InputError if it cannot be used."""
        end = self.verbalizer.end
        if not text.strip():
            raise InputError(where, text, "a text to generate may not be empty")
        if end and end in text:
            allowed = f"it contains {end!r}, which ends a text; another `end`, or '' for EOS, helps"
            raise InputError(where, text, allowed)
        parsed = self.parser.parse(text)
        if parsed.timed_out:
            allowed = f"it takes more than {SECONDS:g} s to search {where}, {text!r}"
            raise InputError("answer", self.answer, allowed)
        if parsed.answer is None:
            field, value = ("metric", "number") if self.answer is None else ("answer", self.answer)
            raise InputError(field, value, f"it finds no answer in {where}, {text!r}")
        if self.database is not None and self.database.rows(parsed.answer) is None:
            allowed = f"this query fails in {self.database.path}, or its result varies"
            raise InputError(where, parsed.answer, allowed)
        return parsed.answer

    def _check_rationales(
        self, where: str, example: Example, answers: Sequence[str], required: bool
    ) -> None:
        """Raises InputError for a missing rationale, and for one that hides the answer.

        Args:
          where: the example, for messages.
          example: the example.
          answers: the answers in its references.
          required: whether each reference needs a rationale.
        """
        if self.answer is None:
            allowed = "a task with rationales needs it, to find the answer after the rationale"
            raise InputError("answer", None, allowed)
        if len(example.rationales) not in (0, len(example.references)):
            allowed = f"one for each of the {len(example.references)} references is expected"
            raise InputError(f"rationales of {where}", example.rationales, allowed)
        if required and not all(example.rationales or [""]):
            raise InputError(where, example.label, "it has no rationale, which others have")
        for text, answer in zip(self.with_rationale(example).references, answers, strict=True):
            after = self._checked_answer(f"{where} after its rationale", text)
            if after != answer:
                allowed = f"it finds {after!r} in {where} after its rationale, and {answer!r} alone"
                raise InputError("answer", self.answer, allowed)

    @property
    def verbatim(self) -> bool:
        """Whether the white space around an output counts."""
        return False

    @cached_property
    def parser(self) -> AnswerParser:
        """Finds the answer in outputs and references."""
        return AnswerParser(self.answer, numeric=self.metric == "number")

    @cached_property
    def has_rationales(self) -> bool:
        """Whether training examples have rationales."""
        return any(any(example.rationales) for example in (*self.train, *self.dev))

    def with_rationale(self, example: Example) -> Example:
        """The example with the rationale before each of its references.

        A line break stands between them, or a space where a line break ends a text. References
        without a rationale stay as they are.
        """
        if not any(example.rationales):
            return example
        between = " " if self.verbalizer.end == "\n" else "\n"
        pairs = zip(example.rationales, example.references, strict=True)
        texts = tuple(between.join(filter(None, pair)) for pair in pairs)
        return replace(example, label=texts[0], references=texts)

    @cached_property
    def metric_words(self) -> MetricWords:
        """ "unicode" where a reference has letters or digits that Latin text does not have."""
        examples = (*self.train, *self.dev, *chain(*self.tests.values()))
        texts = chain.from_iterable(example.references for example in examples)
        return "unicode" if any(map(beyond_latin, texts)) else "latin"

    @cached_property
    def item_metrics(self) -> dict[str, TextMetric]:
        """Metrics of single texts whose requirements the task meets."""
        return self._metrics.of_items(_references(self.test))

    @property
    def _metrics(self) -> TextMetricSet:
        return TextMetricSet(self.metric, self.format, self.database)

    def judged(self, outputs: Sequence[str], references: Sequence[tuple[str, ...]]) -> ScoredTexts:
        """Scores outputs against their references."""
        return self.judged_votes([(output,) for output in outputs], references)

    def judged_votes(
        self, samples: Sequence[Sequence[str]], references: Sequence[tuple[str, ...]]
    ) -> ScoredTexts:
        """Scores samples of each item against its references, see `TextJudge.votes`."""
        judge = TextJudge(self.parser, self.item_metrics, self.format)
        return judge.votes(samples, references)

    def _content(self) -> dict[str, object]:
        optional = {} if self.answer is None else {"answer": self.answer}
        if self.verbalizer.start != " ":
            optional["start"] = self.verbalizer.start
        return {
            **super()._content(),
            **optional,
            "end": self.verbalizer.end,
            "decoding": decoding_to_json(self.decoding),
            "format": format_to_json(self.format),
            "database": None if self.database is None else self.database.checksum,
        }


def _references(examples: Sequence[Example]) -> list[tuple[str, ...]]:
    """The correct texts of each example."""
    return [example.references for example in examples]
