"""Answers that are one of an item's own choices, by the scores of their texts."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.kind import Answerer, ExternalAnswer, FittedBaseline
from research.evaluation.batch import EncodedPrompts, bucket
from research.evaluation.calibration import ensembled, own_choice_scores, predicted_classes
from research.evaluation.choice_baselines import FittedChoices, padded_scores
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.runtime.executable import Call
from research.tasks.choice_task import ChoiceTask
from research.tasks.encoding.choice_encoder import ChoiceEncoder
from research.tasks.encoding.encoded import Encoded, Normalisation, RowChoices
from research.tasks.encoding.encoder import Encoder
from research.tasks.example import Example
from research.tasks.metrics.choice import DIVISORS


class ChoiceAnswers(NamedTuple):
    """Scores of the choices of a split, padded to C choices with -inf.

    Attributes:
        scores: [I, C] by the normalisation and the prior of the prompt; higher is likelier.
        by_divisor: [I, C] uncalibrated scores of each metric of `DIVISORS`, by its name.
        loss: mean negative log-probability of a target token of the right choice, in nats; of the
            right choice where a head or no model answers.
        metrics: every metric by name, the cross-entropy of the right choice, and the loss.
        right: [I] whether the answer is right, by each metric of `DIVISORS`.
    """

    scores: NDArray
    by_divisor: dict[str, NDArray]
    loss: float
    metrics: dict[str, float]
    right: dict[str, NDArray]

    @property
    def predicted(self) -> NDArray:
        """[I] index of the likeliest choice; -1 where the scores are not finite."""
        return predicted_classes(self.scores)

    @property
    def not_finite(self) -> int:
        """Number of rows without an answer; they count as wrong."""
        return int((self.predicted < 0).sum())

    @property
    def timeouts(self) -> int:
        """0: no text is generated."""
        return 0


def choice_answers(
    scores: NDArray, by_divisor: dict[str, NDArray], gold: NDArray, loss: float
) -> ChoiceAnswers:
    """Answers from scores [I, C] and the right choices [I].

    Args:
        scores: those of the answers.
        by_divisor: those of the metrics of `DIVISORS`.
        gold: the right choices.
        loss: of the right choices.
    """
    right = {name: predicted_classes(by_divisor[name]) == gold for name in DIVISORS}
    metrics = {
        "accuracy": float(np.mean(predicted_classes(scores) == gold)),
        **{name: float(values.mean()) for name, values in right.items()},
        "cross_entropy": cross_entropy(scores, gold),
    }
    return ChoiceAnswers(scores, by_divisor, loss, {**metrics, "loss": loss}, right)


def cross_entropy(scores: NDArray, gold: NDArray) -> float:
    """Mean of -log softmax of the scores [I, C] at the right choices [I]; NaN for a NaN."""
    with np.errstate(invalid="ignore"):
        total = np.logaddexp.reduce(scores, axis=-1)
        return -float(np.mean(scores[np.arange(len(gold)), gold] - total))


@dataclass(frozen=True)
class ChoiceAnswerer:
    """Answers with the likeliest of a row's own choices.

    Attributes:
        by_head: whether a head scores the choices, so that no score is a sum over tokens.
    """

    by_head: bool

    def target_width(self, rows: Encoded) -> int:
        """Tokens of the longest target, rounded up to a bucket."""
        return bucket(max(1, rows.longest_target))

    def choices(self, rows: Encoded) -> RowChoices:
        """The rows' own."""
        assert rows.choices is not None  # of the kind's encoder
        return rows.choices

    def training_answers(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> ChoiceAnswers:
        """Answers by summed log-probabilities, uncalibrated."""
        return self._answers(predictor, weights, prompts, "sum", [])

    def answers(
        self,
        predictor: Predictor,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        normalisation: Normalisation,
    ) -> ChoiceAnswers:
        """Answers by normalised scores, less those after the prompts' neutral prompts."""
        return self._answers(predictor, weights, prompts, normalisation, prompts.neutral())

    def _answers(
        self,
        predictor: Predictor,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        normalisation: Normalisation,
        neutral: Sequence[EncodedPrompts],
    ) -> ChoiceAnswers:
        choices, gold = self.choices(prompts.rows), prompts.rows.label
        logprobs = predictor.scores(weights, prompts)
        priors = [predictor.scores(weights, prior) for prior in neutral]
        scores = partial(own_choice_scores, choices=choices)
        divisors = {name: "sum" if self.by_head else by for name, by in DIVISORS.items()}
        return choice_answers(
            scores(logprobs, by="sum" if self.by_head else normalisation, neutral=priors),
            {name: scores(logprobs, by=by) for name, by in divisors.items()},
            gold,
            self._loss(logprobs, choices, gold),
        )

    def _loss(self, logprobs: NDArray, choices: RowChoices, gold: NDArray) -> float:
        rows = np.arange(len(gold))
        tokens = len(gold) if self.by_head else choices.targets.length[rows, gold].sum()
        return -float(logprobs[rows, gold].sum() / tokens)

    def calls(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> list[Call]:
        """The calls that score the prompts and their neutral prompts, one of each shape."""
        scored = (prompts, *prompts.neutral())
        return [call for each in scored for call in predictor.score_calls(weights, each)]


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
