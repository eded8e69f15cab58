"""Answering by choice: the label with the best score."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from research.evaluation.predict import Scored, predict
from research.tasks.encoded import Encoded, Labels, LabelTexts


@dataclass(frozen=True)
class Choosing:
    """texts: all that are scored for the labels; the first of each label is trained on."""

    texts: LabelTexts

    @cached_property
    def labels(self) -> Labels:
        """The targets that are trained on."""
        _, first = np.unique(self.texts.owner, return_index=True)
        return Labels(*(part[first] for part in self.texts.targets))

    def targets(self, encoded: Encoded) -> int:
        """The tokens of the longest label."""
        del encoded
        return self.labels.tokens.shape[1]

    def answers(self, model, methods, leaves, encoded, frame, *, devices, dtype) -> Scored:
        """By the targets that are trained on, as `research.evaluation.predict` scores them."""
        return predict(
            model, methods, leaves, encoded, frame, self.labels, devices=devices, dtype=dtype
        )
