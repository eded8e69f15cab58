"""Answers that are numbers, the output of a head with one unit."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.kind import (
    SHORT_REPLY,
    Answerer,
    ExternalAnswer,
    FittedBaseline,
    no_choices,
)
from research.evaluation.baselines import FittedTexts
from research.evaluation.batch import EncodedPrompts
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.runtime.executable import Call
from research.tasks.encoding.encoded import Encoded, Labels, Normalisation, RowChoices
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.number_encoder import NumberEncoder
from research.tasks.example import Example
from research.tasks.metrics.regression import NUMBER_METRICS
from research.tasks.number_task import NumberTask, parse_number


class NumberAnswers(NamedTuple):
    """Predicted numbers of a split.

    Attributes:
        numbers: [I] the predicted numbers.
        loss: mean squared error.
        metrics: every metric by name, and the loss.
    """

    numbers: np.ndarray
    loss: float
    metrics: dict[str, float]

    @property
    def not_finite(self) -> int:
        """Number of predictions that are not finite; every correlation is then the lowest, -1."""
        return int((~np.isfinite(self.numbers)).sum())

    @property
    def timeouts(self) -> int:
        """0: no text is generated."""
        return 0


def number_answers(numbers: np.ndarray, gold: np.ndarray) -> NumberAnswers:
    """Answers from predicted numbers [I] and the right numbers [I]."""
    loss = float(np.mean((numbers - gold) ** 2))
    metrics = {name: metric(numbers, gold)[0] for name, metric in NUMBER_METRICS.items()}
    return NumberAnswers(numbers, loss, {**metrics, "loss": loss})


@dataclass(frozen=True)
class NumberAnswerer:
    """Answers with the output of the head.

    Attributes:
        output: the one output of the head, in place of a task's labels.
    """

    output: Labels

    def target_width(self, rows: Encoded) -> int:
        """One column, although a number has no tokens."""
        del rows
        return 1

    def choices(self, rows: Encoded) -> RowChoices:
        del rows
        raise no_choices()

    def training_answers(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> NumberAnswers:
        """One number for each row."""
        outputs = predictor.scores(weights, prompts, self.output)
        return number_answers(outputs[:, 0], prompts.rows.label)

    def answers(
        self,
        predictor: Predictor,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        normalisation: Normalisation,
    ) -> NumberAnswers:
        """The same as while training."""
        del normalisation
        return self.training_answers(predictor, weights, prompts)

    def calls(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> list[Call]:
        """None: the head is compiled when it is first needed."""
        del predictor, weights, prompts
        return []


@dataclass(frozen=True)
class NumberKind:
    """The answer kind of regression tasks."""

    task: NumberTask
    name: ClassVar[str] = "number"
    generates: ClassVar[bool] = False

    @property
    def head_outputs(self) -> int:
        return 1

    def examples(self, examples: Sequence[Example]) -> Sequence[Example]:
        return examples

    def encoder(self, tokenizer: Tokenizer, template: int, **options: Any) -> NumberEncoder:
        task = self.task
        return NumberEncoder(
            tokenizer, task.templates[template], task.verbalizer, task.labels, **options
        )

    def answerer(self, encoder: Encoder, seed: int = 0) -> Answerer:
        del seed
        return NumberAnswerer(encoder.label_tokens())

    def ensemble(self, members: Sequence[NumberAnswers], rows: Encoded) -> NumberAnswers:
        """The answers of the only member: ensembles average label scores."""
        del rows
        [answers] = members
        return answers

    def fit_baseline(
        self, fit: Callable[..., FittedTexts], train: Sequence[Example]
    ) -> FittedBaseline:
        """A baseline that answers with texts; it repeats a number of training."""
        fitted = fit([example.text for example in train], [example.label for example in train])

        def answer(examples: Sequence[Example]) -> NumberAnswers:
            numbers = np.array(fitted.write([example.text for example in examples]), float)
            return number_answers(numbers, _gold(examples))

        return fitted, answer

    @property
    def most_reply_tokens(self) -> int:
        return SHORT_REPLY

    def parse_answer(self, text: str, reply: bool = False) -> str | None:
        """The text if it is a finite number."""
        del reply
        return text.strip() if math.isfinite(parse_number(text)) else None

    def allowed_answers(self, text: str) -> str:
        del text
        return "a finite number such as 3.8 is expected"

    def judge(
        self, answers: Sequence[ExternalAnswer], examples: Sequence[Example]
    ) -> NumberAnswers:
        """The numbers; NaN for no answer."""
        numbers = [math.nan if a.text is None else parse_number(a.text) for a in answers]
        return number_answers(np.array(numbers), _gold(examples))

    def constant_scores(self, train: Encoded, dev: Encoded) -> dict[str, float]:
        """A constant has no correlation with anything."""
        del train, dev
        return {"one number for all": 0.0}

    def prediction_fields(
        self, examples: Sequence[Example], answers: NumberAnswers
    ) -> dict[str, Any]:
        return {"gold": _gold(examples), "predicted": answers.numbers}


def _gold(examples: Sequence[Example]) -> np.ndarray:
    """[I] the right numbers."""
    return np.array([float(example.label) for example in examples])
