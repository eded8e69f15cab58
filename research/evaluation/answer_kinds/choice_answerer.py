"""Scores of an item's own choices, and the answers that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.evaluation.batch import EncodedPrompts, bucket
from research.evaluation.calibration import own_choice_scores, predicted_classes
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.runtime.executable import Call
from research.tasks.encoding.encoded import Encoded, Normalisation, RowChoices
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
        divisors: dict[str, Normalisation] = {
            name: "sum" if self.by_head else by for name, by in DIVISORS.items()
        }
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
