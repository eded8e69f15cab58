"""Answers that are one of an item's own choices, by the scores of their texts."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.choice_answerer import (
    ChoiceAnswerer,
    ChoiceAnswers,
    choice_answers,
    cross_entropy,
)
from research.evaluation.answer_kinds.kind import Answerer, ExternalAnswer, FittedBaseline
from research.evaluation.calibration import ensembled
from research.evaluation.choice_baselines import FittedChoices, padded_scores
from research.tasks.choice_task import ChoiceTask
from research.tasks.encoding.choice_encoder import ChoiceEncoder
from research.tasks.encoding.encoded import Encoded
from research.tasks.encoding.encoder import Encoder
from research.tasks.example import Example
from research.tasks.metrics.choice import DIVISORS


@dataclass(frozen=True)
class ChoiceKind:
    """The answer kind of tasks whose items have their own choices."""

    task: ChoiceTask
    name: ClassVar[str] = "choice"
    generates: ClassVar[bool] = False

    @property
    def head_outputs(self) -> int:
        return 1

    def examples(self, examples: Sequence[Example]) -> Sequence[Example]:
        return examples

    def encoder(self, tokenizer: Tokenizer, template: int, **options: Any) -> ChoiceEncoder:
        task = self.task
        return ChoiceEncoder(
            tokenizer,
            task.templates[template],
            task.verbalizer,
            task.labels,
            separator=task.separator,
            **options,
        )

    def answerer(self, encoder: Encoder, seed: int = 0) -> Answerer:
        del seed
        return ChoiceAnswerer(by_head=encoder.route == "head")

    def ensemble(self, members: Sequence[ChoiceAnswers], rows: Encoded) -> ChoiceAnswers:
        """The mean over members of the choices' probabilities, and of the loss."""
        loss = sum(member.loss for member in members) / len(members)
        by_divisor = {
            name: ensembled([member.by_divisor[name] for member in members]) for name in DIVISORS
        }
        scores = ensembled([member.scores for member in members])
        return choice_answers(scores, by_divisor, rows.label, loss)

    def fit_baseline(
        self, fit: Callable[..., FittedChoices], train: Sequence[Example]
    ) -> FittedBaseline:
        fitted = fit(train)

        def answer(examples: Sequence[Example]) -> ChoiceAnswers:
            return self._scored(padded_scores(fitted.scores(examples)), examples)

        return fitted, answer

    @property
    def most_reply_tokens(self) -> int:
        """As many bytes as the longest choice of test has, which no tokenizer exceeds by far."""
        return max(len(text.encode()) for example in self.task.test for text in example.choices)

    def parse_answer(self, text: str, reply: bool = False) -> str | None:
        """The text without white space around it; `judge` finds the choice that it is."""
        del reply
        return text.strip()

    def allowed_answers(self, text: str) -> str:
        del text
        return "the text of one of the example's choices is expected"

    def judge(
        self, answers: Sequence[ExternalAnswer], examples: Sequence[Example]
    ) -> ChoiceAnswers:
        """The choice that each answer names by its text, whatever the case; else none."""
        scores = [
            _named(example.choices, answer.text)
            for answer, example in zip(answers, examples, strict=True)
        ]
        return self._scored(padded_scores(scores), examples)._replace(loss=math.nan)

    def constant_scores(self, train: Encoded, dev: Encoded) -> dict[str, float]:
        """The score of the most frequent position of a right choice in training."""
        position = np.bincount(train.label).argmax()
        return {"the most frequent position": float(np.mean(dev.label == position))}

    def prediction_fields(
        self, examples: Sequence[Example], answers: ChoiceAnswers
    ) -> dict[str, Any]:
        pairs = list(zip(examples, answers.predicted.tolist(), strict=True))
        return {
            "gold": np.array([example.right_choice for example in examples]),
            "predicted": answers.predicted,
            "texts": tuple(e.choices[choice] if choice >= 0 else "" for e, choice in pairs),
            "scores": tuple(
                tuple(scores[: len(example.choices)])
                for example, scores in zip(examples, answers.scores.tolist(), strict=True)
            ),
            "items": {name: right.astype(float) for name, right in answers.right.items()},
        }

    def _scored(self, scores: NDArray, examples: Sequence[Example]) -> ChoiceAnswers:
        """Answers by scores [I, C] that have no length."""
        gold = np.array([example.right_choice for example in examples])
        return choice_answers(
            scores, dict.fromkeys(DIVISORS, scores), gold, cross_entropy(scores, gold)
        )


def _named(choices: Sequence[str], text: str | None) -> NDArray:
    """[C] 1 for the choice that a text is, 0 for the others; NaN where it is none of them."""
    named = np.full(len(choices), math.nan)
    texts = [choice.strip() for choice in choices]
    if text is not None and (text in texts or text.casefold() in map(str.casefold, texts)):
        folded = [choice.casefold() for choice in texts]
        named[:] = 0.0
        named[texts.index(text) if text in texts else folded.index(text.casefold())] = 1.0
    return named
