"""The readout as one would write it down: probabilities in float64, one row at a time."""

import math
from collections.abc import Sequence

import numpy as np


def plain_labels(
    scores: Sequence[float],
    owner: Sequence[int],
    lengths: Sequence[float],
    neutral: Sequence[Sequence[float]] = (),
) -> np.ndarray:
    """[C] log of the labels' probabilities, over their mean after the neutral prompts.

    scores, and each of neutral: the log-probability of every text; lengths: what divides it.
    """

    def labels(row: Sequence[float]) -> np.ndarray:
        found = [0.0] * (max(owner) + 1)
        for score, label, length in zip(row, owner, lengths, strict=True):
            found[label] += math.exp(score / length)
        return np.array(found)

    prior = np.mean([labels(row) for row in neutral], axis=0) if neutral else 1.0
    return np.log(labels(scores) / prior)
