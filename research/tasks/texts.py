"""Texts that were written for a task, and what they are worth."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from research.tasks.metrics.corpus import CORPUS_METRICS, corpus_score


@dataclass(frozen=True)
class ScoredTexts:
    """outputs: one for each item. references: the right texts of each, at least one. items: [I] by
    metric, what each output is worth, 0 to 1; such a metric of all is the mean of its items.
    """

    outputs: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    items: Mapping[str, NDArray]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its metrics."""
        return (*self.items, *CORPUS_METRICS)

    def metrics(self) -> dict[str, float]:
        """Every metric by name."""
        return {name: self.without(name)[0] for name in self.names}

    def without(self, metric: str) -> tuple[float, NDArray]:
        """(the score, [I]: the score without each of the items; the score itself of one alone)."""
        if metric in CORPUS_METRICS:
            return corpus_score(metric, self.outputs, self.references)
        values = np.asarray(self.items[metric], float)
        mean, others = values.mean(), max(len(values) - 1, 1)
        return float(mean), mean + (mean - values) / others
