"""Answering by choice: the label with the best score."""

from dataclasses import dataclass

from research.evaluation.predict import Scored, predict
from research.tasks.encoded import Encoded, Labels, LabelTexts


@dataclass(frozen=True)
class Choosing:
    """labels: the targets that are trained on. texts: all that are scored for the labels."""

    labels: Labels
    texts: LabelTexts

    def targets(self, encoded: Encoded) -> int:
        """The tokens of the longest label."""
        del encoded
        return self.labels.tokens.shape[1]

    def answers(self, model, methods, leaves, encoded, frame, *, devices, dtype) -> Scored:
        """By the targets that are trained on, as `research.evaluation.predict` scores them."""
        return predict(
            model, methods, leaves, encoded, frame, self.labels, devices=devices, dtype=dtype
        )
