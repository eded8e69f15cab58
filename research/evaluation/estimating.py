"""Answering by a number: what the one output of a head says."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from research.evaluation.predict import score
from research.tasks.encoded import Encoded, Labels
from research.tasks.number_metrics import NUMBER_METRICS


class Estimated(NamedTuple):
    """numbers: [I]. loss: mean squared error. metrics: every metric by name, the loss with them."""

    numbers: np.ndarray
    loss: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class Estimating:
    """output: what stands for the labels of a task that has some."""

    output: Labels

    def targets(self, encoded: Encoded) -> int:
        """A number is no token, and yet has a column."""
        del encoded
        return 1

    def depends(self, encoded: Encoded) -> tuple[Any, ...]:
        """What answers depend on beside the rows and the backbone."""
        return (encoded.label,)

    def answers(self, model, methods, leaves, encoded, frame, *, devices, dtype) -> Estimated:
        """A number for each row."""
        where = {"devices": devices, "dtype": dtype}
        found = score(model, methods, leaves, encoded, frame, self.output, **where)
        return estimated(found[:, 0], encoded.label)


def estimated(numbers: np.ndarray, gold: np.ndarray) -> Estimated:
    """Numbers [I] beside the right ones [I], measured."""
    loss = float(np.mean((numbers - gold) ** 2))
    metrics = {name: metric(numbers, gold)[0] for name, metric in NUMBER_METRICS.items()}
    return Estimated(numbers, loss, {**metrics, "loss": loss})
