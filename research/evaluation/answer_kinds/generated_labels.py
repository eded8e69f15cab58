"""Answers that are one of the task's labels, which the backbone writes and a parser finds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.kind import Answerer, no_choices
from research.evaluation.answer_kinds.label_parser import LabelParser
from research.evaluation.answer_kinds.labels import LabelKind
from research.evaluation.answer_kinds.text_answerer import TextAnswerer, TextAnswers
from research.evaluation.answer_kinds.texts import TextKind
from research.evaluation.batch import EncodedPrompts
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.runtime.executable import Call
from research.tasks.answering import BY_THE_TASK, Answering
from research.tasks.decoding import Decoding
from research.tasks.encoding.encoded import Encoded, Normalisation, RowChoices
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.text_encoder import TextEncoder
from research.tasks.example import Example
from research.tasks.metrics.classification import METRICS
from research.tasks.prompts.verbalizer import FreeText, Verbalizer
from research.tasks.text_task import TextTask

MAX_NEW_TOKENS = 32  # of a text, where the row does not say


class GeneratedLabelAnswers(NamedTuple):
    """Labels found in the generated texts of a split.

    Attributes:
        predicted: [I] the class that most texts of a row name; -1 where none names one.
        scores: [I, C] share of the row's texts that name each class.
        loss: mean negative log-probability of a token of the right label's text, in nats.
        metrics: every metric by name, and the loss.
        generated: the texts of each row.
        not_finite: number of rows with a text whose tokens have no finite probability; they have
            no answer and count as wrong.
        timeouts: number of texts in which the search for a label took too long.
    """

    predicted: np.ndarray
    scores: np.ndarray
    loss: float
    metrics: dict[str, float]
    generated: tuple[tuple[str, ...], ...]
    not_finite: int
    timeouts: int


@dataclass(frozen=True)
class GeneratedLabelAnswerer:
    """Generates texts and finds labels in them.

    Attributes:
        texts: generates the texts.
        parser: finds the labels.
    """

    texts: TextAnswerer
    parser: LabelParser

    def target_width(self, rows: Encoded) -> int:
        """Tokens of the longest target, rounded up to a bucket."""
        return self.texts.target_width(rows)

    def choices(self, rows: Encoded) -> RowChoices:
        del rows
        raise no_choices()

    def training_answers(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> GeneratedLabelAnswers:
        """The labels in one text for each row, the likeliest by greedy decoding."""
        answers = self.texts.training_answers(predictor, weights, prompts)
        return self._labels(answers, prompts.rows.label)

    def answers(
        self,
        predictor: Predictor,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        normalisation: Normalisation,
    ) -> GeneratedLabelAnswers:
        """The label that most of the row's samples name."""
        answers = self.texts.answers(predictor, weights, prompts, normalisation)
        return self._labels(answers, prompts.rows.label)

    def constrained(self) -> "GeneratedLabelAnswerer":
        """The answerer whose `answers` are texts of labels. Raises InputError."""
        return replace(self, texts=self.texts.constrained())

    def calls(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> list[Call]:
        """None: generation is compiled when it is first needed."""
        return self.texts.calls(predictor, weights, prompts)

    def _labels(self, answers: TextAnswers, gold: np.ndarray) -> GeneratedLabelAnswers:
        """The labels in the texts of each row; of equally frequent ones the first."""
        generated, classes = answers.texts.generated, len(self.parser.texts)
        predicted = np.full(len(generated), -1)
        scores = np.zeros((len(generated), classes), np.float32)
        for row, texts in enumerate(generated):
            named = [label for text in texts if (label := self.parser.parse(text)) is not None]
            counts = np.bincount(np.array(named, int), minlength=classes)
            scores[row] = counts / len(texts)
            if named:
                predicted[row] = next(label for label in named if counts[label] == counts.max())
        metrics = {n: float(metric(predicted, gold, classes)) for n, metric in METRICS.items()}
        return GeneratedLabelAnswers(
            predicted=predicted,
            scores=scores,
            loss=answers.loss,
            metrics={**metrics, "loss": answers.loss},
            generated=generated,
            not_finite=answers.not_finite,
            timeouts=answers.timeouts,
        )


@dataclass(frozen=True)
class GeneratedLabelKind(LabelKind):
    """The answer kind of a classification task whose labels are generated.

    Rows and targets are those of a text task whose references are the labels' first texts.
    """

    answering: Answering = BY_THE_TASK
    generates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.answering.rationale:
            allowed = f"task {self.task.name} has labels, which have no rationales"
            raise InputError("rationale", True, allowed)
        self.texts.answering.sampling(self.texts.task.decoding)

    @cached_property
    def parser(self) -> LabelParser:
        """Finds the labels in texts."""
        return LabelParser(tuple(map(self.task.verbalizer.all, self.task.labels)))

    @cached_property
    def first_texts(self) -> tuple[str, ...]:
        """The text of each label that is trained on."""
        return tuple(texts[0] for texts in self.parser.texts)

    @cached_property
    def texts(self) -> TextKind:
        """The answer kind of the text task; its examples stand for those of the task."""
        fields = self.task.train[0].fields
        examples = tuple(Example(fields, text, (text,)) for text in self.first_texts)
        task = TextTask(
            name=self.task.name,
            labels=(),
            templates=self.task.templates,
            verbalizer=FreeText(end=self.task.verbalizer.end),
            train=examples,
            test=examples,
            decoding=Decoding(max_new_tokens=MAX_NEW_TOKENS),
            answer=self.parser.pattern,
            format="|".join(map(re.escape, self.first_texts)),
        )
        return TextKind(task, self.answering)

    @property
    def head_outputs(self) -> int:
        return 0

    def examples(self, examples: Sequence[Example]) -> Sequence[Example]:
        """The examples with the first text of their label as the text to generate."""
        text_of = dict(zip(self.task.labels, self.first_texts, strict=True))
        return tuple(
            replace(example, label=text_of[example.label], references=(text_of[example.label],))
            for example in examples
        )

    def encoder(self, tokenizer: Tokenizer, template: int, **options: Any) -> TextEncoder:
        texts, end = self.first_texts, self.task.verbalizer.end
        return TextEncoder(
            tokenizer,
            self.task.templates[template],
            Verbalizer({text: text for text in texts}, end),
            texts,  # for demonstrations balanced over the labels
            most=self.answering.decoding(self.texts.task.decoding).max_new_tokens,
            separator=self.task.separator,
            **options,
        )

    def answerer(self, encoder: Encoder, seed: int = 0) -> Answerer:
        texts = self.texts.answerer(encoder, seed)
        assert isinstance(texts, TextAnswerer)  # of a text task
        return GeneratedLabelAnswerer(texts, self.parser)

    def ensemble(self, members: Sequence[Any], rows: Encoded) -> Any:
        """The answers of the only member: ensembles average label scores."""
        del rows
        [answers] = members
        return answers

    def prediction_fields(self, examples: Sequence[Example], answers: Any) -> dict[str, Any]:
        fields = super().prediction_fields(examples, answers)
        return {**fields, "generated": answers.generated}
