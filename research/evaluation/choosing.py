"""Answering by choice: the label with the best score."""

from dataclasses import dataclass

from research.evaluation.predict import Scored, predict
from research.tasks.encoded import Encoded, Labels


@dataclass(frozen=True)
class Choosing:
    """labels: the candidates."""

    labels: Labels

    def targets(self, encoded: Encoded) -> int:
        """The tokens of the longest label."""
        del encoded
        return self.labels.tokens.shape[1]

    def answers(self, model, methods, leaves, encoded, frame, *, devices, dtype) -> Scored:
        """The scores of all labels, as `research.evaluation.predict` gives them."""
        return predict(
            model, methods, leaves, encoded, frame, self.labels, devices=devices, dtype=dtype
        )
