"""Answers that are one of the task's labels, by the scores of the labels' texts."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from research.common.errors import choose_from
from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.kind import (
    SHORT_REPLY,
    Answerer,
    ExternalAnswer,
    FittedBaseline,
)
from research.evaluation.answer_kinds.label_answerer import (
    LabelAnswerer,
    LabelAnswers,
    label_answers,
)
from research.evaluation.baselines import Fitted, majority_class
from research.evaluation.calibration import ensembled
from research.tasks.encoding.encoded import (
    Encoded,
)
from research.tasks.encoding.encoder import Encoder
from research.tasks.example import Example
from research.tasks.metrics.classification import METRICS
from research.tasks.prompts.label_match import LabelMatcher
from research.tasks.task import Task


@dataclass(frozen=True)
class LabelKind:
    """The answer kind of classification tasks."""

    task: Task
    name: ClassVar[str] = "label"
    generates: ClassVar[bool] = False

    @property
    def head_outputs(self) -> int:
        return len(self.task.labels)

    def examples(self, examples: Sequence[Example]) -> Sequence[Example]:
        return examples

    def encoder(self, tokenizer: Tokenizer, template: int, **options: Any) -> Encoder:
        task = self.task
        return Encoder(
            tokenizer,
            task.templates[template],
            task.verbalizer,
            task.labels,
            separator=task.separator,
            **options,
        )

    def answerer(self, encoder: Encoder, seed: int = 0) -> Answerer:
        del seed
        return LabelAnswerer(encoder.texts())

    def ensemble(self, members: Sequence[LabelAnswers], rows: Encoded) -> LabelAnswers:
        """The mean over members of the labels' probabilities, and of the loss."""
        scores = ensembled([member.scores for member in members])
        loss = sum(member.loss for member in members) / len(members)
        return label_answers(scores, rows.label, loss)

    def fit_baseline(self, fit: Callable[..., Fitted], train: Sequence[Example]) -> FittedBaseline:
        classes = len(self.task.labels)
        fitted = fit([example.text for example in train], self._classes(train).tolist(), classes)

        def answer(examples: Sequence[Example]) -> LabelAnswers:
            gold = self._classes(examples)
            _, scores = fitted.predict([example.text for example in examples])
            loss = -float(scores[np.arange(len(gold)), gold].mean())
            return label_answers(scores, gold, loss)

        return fitted, answer

    @property
    def most_reply_tokens(self) -> int:
        return SHORT_REPLY

    def parse_answer(self, text: str, reply: bool = False) -> str | None:
        """The label that the text names, see `LabelMatcher`."""
        return self._matcher.in_reply(text) if reply else self._matcher.exact(text)

    def allowed_answers(self, text: str) -> str:
        return choose_from(self._matcher.names, text)

    def judge(self, answers: Sequence[ExternalAnswer], examples: Sequence[Example]) -> LabelAnswers:
        """Answers by log-probabilities; a label without them has the score 1, all others 0.

        The loss is that of the right labels; NaN where an answer has no log-probabilities.
        """
        gold = self._classes(examples)
        scores = np.array([self._label_scores(answer) for answer in answers])
        has_logprobs = all(answer.label_logprobs is not None for answer in answers)
        loss = -float(scores[np.arange(len(gold)), gold].mean()) if has_logprobs else math.nan
        return label_answers(scores, gold, loss)

    def constant_scores(self, train: Encoded, dev: Encoded) -> dict[str, float]:
        """The score of the most common class of training."""
        gold, classes = train.label.tolist(), len(self.task.labels)
        fitted = majority_class([""] * len(gold), gold, classes)  # it ignores the texts
        predicted = fitted.scores([""] * len(dev.label)).argmax(axis=-1)
        score = METRICS[self.task.metric](predicted, dev.label, classes)
        return {"the majority class": float(score)}

    def prediction_fields(
        self, examples: Sequence[Example], answers: LabelAnswers
    ) -> dict[str, Any]:
        return {
            "labels": self.task.labels,
            "gold": self._classes(examples),
            "predicted": answers.predicted,
            "scores": answers.scores,
        }

    @cached_property
    def _matcher(self) -> LabelMatcher:
        return LabelMatcher(self.task.labels, self.task.verbalizer)

    def _label_scores(self, answer: ExternalAnswer) -> list[float]:
        """[C] the scores of the labels; NaN for no answer."""
        labels = self.task.labels
        if answer.label_logprobs is not None:
            return [answer.label_logprobs[label] for label in labels]
        if answer.text is None:
            return [math.nan] * len(labels)
        return [float(label == answer.text) for label in labels]

    def _classes(self, examples: Sequence[Example]) -> np.ndarray:
        """[I] indices of the examples' labels."""
        index = {label: i for i, label in enumerate(self.task.labels)}
        return np.array([index[example.label] for example in examples])
