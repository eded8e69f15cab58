"""Scores of labels by their texts, and the answers that follow from them."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.evaluation.batch import EncodedPrompts
from research.evaluation.calibration import pooled_label_scores, predicted_classes
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.methods.method import Array
from research.runtime.executable import Call
from research.tasks.encoding.encoded import (
    Encoded,
    Labels,
    LabelTexts,
    Normalisation,
    RowChoices,
)
from research.tasks.metrics.classification import METRICS


class LabelAnswers(NamedTuple):
    """Label scores of a split.

    Attributes:
        scores: [I, C] of each label, higher is likelier.
        loss: mean negative log-probability of a target token of the right label, in nats.
        metrics: every metric by name, and the loss.
    """

    scores: np.ndarray
    loss: float
    metrics: dict[str, float]

    @property
    def predicted(self) -> np.ndarray:
        """[I] the likeliest class; -1 where the scores are not finite."""
        return predicted_classes(self.scores)

    @property
    def not_finite(self) -> int:
        """Number of rows whose scores are not finite; they count as wrong."""
        return int((self.predicted < 0).sum())

    @property
    def timeouts(self) -> int:
        """0: no text is generated."""
        return 0


def label_answers(scores: np.ndarray, gold: np.ndarray, loss: float) -> LabelAnswers:
    """Answers from label scores [I, C] and the right classes [I]."""
    predicted = predicted_classes(scores)
    metrics = {
        name: float(metric(predicted, gold, scores.shape[1])) for name, metric in METRICS.items()
    }
    return LabelAnswers(scores, loss, {**metrics, "loss": loss})


def target_loss(scores: np.ndarray, gold: np.ndarray, lengths: Array) -> float:
    """Loss per token of the right targets [I], indices into scores [I, K] and lengths [K]."""
    right = scores[np.arange(len(gold)), gold]
    return -float(right.sum() / np.asarray(lengths)[gold].sum())


@dataclass(frozen=True)
class LabelAnswerer:
    """Answers with the label whose texts are likeliest.

    Attributes:
        texts: all texts of all labels; training uses the first of each label.
    """

    texts: LabelTexts

    @cached_property
    def _first(self) -> NDArray:
        """[C] index of the first text of each label."""
        return np.unique(self.texts.owner, return_index=True)[1]

    @cached_property
    def labels(self) -> Labels:
        """The targets that are trained on."""
        return Labels(*(part[self._first] for part in self.texts.targets))

    def target_width(self, rows: Encoded) -> int:
        """Tokens of the longest label."""
        del rows
        return self.labels.tokens.shape[1]

    def choices(self, rows: Encoded) -> RowChoices:
        """The labels, by the texts that are trained on, as the choices of each row."""
        first = self._first
        parts = (*self.labels, self.texts.size[first], self.texts.characters[first])
        tokens, *sizes = (np.broadcast_to(x, (len(rows.length), *x.shape)) for x in parts)
        return RowChoices(Labels(tokens, sizes[0]), *sizes[1:])

    def training_answers(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> LabelAnswers:
        """Answers by the first text of each label, uncalibrated."""
        scores, gold = predictor.scores(weights, prompts, self.labels), prompts.rows.label
        return label_answers(scores, gold, target_loss(scores, gold, self.labels.length))

    def answers(
        self,
        predictor: Predictor,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        normalisation: Normalisation,
    ) -> LabelAnswers:
        """Answers by all texts of each label, calibrated by the prompts' neutral prompts.

        The loss is uncalibrated, of the first text of each label.
        """
        targets, gold = self.texts.targets, prompts.rows.label
        scores = predictor.scores(weights, prompts, targets)
        neutral = [predictor.scores(weights, prior, targets) for prior in prompts.neutral()]
        pooled = pooled_label_scores(scores, self.texts, normalisation, neutral)
        first_texts = np.searchsorted(self.texts.owner, gold)
        return label_answers(pooled, gold, target_loss(scores, first_texts, targets.length))

    def calls(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> list[Call]:
        """The calls that score the prompts and their neutral prompts, one of each shape."""
        return [
            call
            for scored in (prompts, *prompts.neutral())
            for call in predictor.score_calls(weights, scored, self.texts.targets)
        ]
