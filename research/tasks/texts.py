"""Generated texts and their scores."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from research.tasks.metrics.corpus import CORPUS_METRICS, corpus_score
from research.tasks.metrics.extraction_f1 import EXTRACTION_METRICS, extraction_score


@dataclass(frozen=True)
class ScoredTexts:
    """Generated texts of I items, with scores.

    Attributes:
      outputs: one answer per item; empty where the texts of an item have none.
      references: one or more correct answers per item.
      items: scores [I] from 0 to 1 by metric; the score of all items is their mean,
        or micro-averaged for entities and relations. "answered" is the share of the item's texts
        that have an answer.
      generated: the whole texts of each item, where its answer is found in them; else none.
      timeouts: number of texts in which the search for the answer took too long.
    """

    outputs: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    items: Mapping[str, NDArray]
    generated: tuple[tuple[str, ...], ...] = ()
    timeouts: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the metrics."""
        return (*self.items, *CORPUS_METRICS)

    def metrics(self) -> dict[str, float]:
        """Score by metric."""
        return {name: self.without(name)[0] for name in self.names}

    def without(self, metric: str) -> tuple[float, NDArray]:
        """The score and the scores [I] with each item left out (of a single item, its score)."""
        if metric in CORPUS_METRICS:
            return corpus_score(metric, self.outputs, self.references)
        if metric in EXTRACTION_METRICS:
            return extraction_score(metric, self.outputs, self.references)
        values = np.asarray(self.items[metric], float)
        mean, others = values.mean(), max(len(values) - 1, 1)
        return float(mean), mean + (mean - values) / others
