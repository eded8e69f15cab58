"""A cell of the table: the runs of an approach on a task in a regime."""

import statistics
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from research.records.configuration import Configuration
from research.records.predictions.kinds import AnyPredictions
from research.records.schema import CellKey, RunRecord
from research.stats.intervals import Interval, interval
from research.tasks.metrics.classification import LOWEST

T = TypeVar("T")

ENOUGH_SEEDS = 5  # with fewer, intervals cover less than stated, see results/statistics/


@dataclass(frozen=True)
class ResultCell:
    """An approach on a task in a regime, with one backbone.

    Attributes:
        key: (row, task, regime).
        runs: tested runs of the chosen trial by seed; none while the search is unfinished.
        records: all runs of the cell.
        influence: influence values [S, I] by metric.
        predictions: predictions on test of each of `runs`.
        search: the runs that selection on dev compares, by trial in the order of the plan, each
            trial with the same seeds; none while the search is unfinished.
    """

    key: CellKey
    runs: tuple[RunRecord, ...]
    records: tuple[RunRecord, ...]
    influence: Mapping[str, np.ndarray]
    predictions: tuple[AnyPredictions, ...]
    search: tuple[tuple[RunRecord, ...], ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the tested runs, ascending."""
        return tuple(run.seed for run in self.runs)

    @property
    def seed_count(self) -> int:
        """Number of seeds that the protocol asks for."""
        return max(record.configuration.seeds for record in self.records)

    @cached_property
    def trials(self) -> int:
        """Number of trials searched."""
        return len({record.trial_key for record in self.records})

    @property
    def ran(self) -> int:
        """Number of all runs."""
        return len(self.records)

    @property
    def diverged(self) -> int:
        """Number of diverged runs among all runs."""
        return sum(record.diverged for record in self.records)

    @property
    def not_learned(self) -> int:
        """Number of tested runs that are no better on dev than without training."""
        return len(self.known(lambda run: run.notes.not_learned))

    @property
    def prompt_only(self) -> bool:
        """Whether the approach is the backbone with a prompt, without training."""
        return all(not c.stages and c.uses_backbone for c in self._configurations)

    @property
    def external(self) -> bool:
        """Whether an external model answers."""
        return any(configuration.external for configuration in self._configurations)

    @property
    def _configurations(self) -> list[Configuration]:
        return [record.configuration for record in self.records]

    @property
    def n_train(self) -> int:
        """The median number of training examples of the tested runs."""
        return statistics.median_low(run.n_train for run in self.runs)

    @property
    def complete(self) -> bool:
        """Whether no planned seed is missing."""
        return len(self.runs) >= self.seed_count

    @property
    def provisional(self) -> bool:
        """Whether planned seeds are missing, or seeds are too few for the interval to be valid."""
        return not self.complete or len(self.runs) < ENOUGH_SEEDS

    @property
    def not_finite(self) -> int:
        """Test items without an answer, over all seeds; they count as wrong."""
        return sum(run.notes.not_finite.get("test", 0) for run in self.runs)

    @property
    def broken(self) -> bool:
        """Whether the backbone gave scores that are not finite; such a cell is never the best.

        A reply of an external model that is no answer counts as wrong and nothing more.
        """
        return self.not_finite > 0 and not self.external

    @property
    def headline(self) -> str:
        """The name of the task's headline metric."""
        return self.runs[0].metric

    @property
    def dev(self) -> tuple[float, ...]:
        """The mean dev score of each trial of `search`; none where a run has no dev score.

        A trial with a diverged run gets the lowest score, since selection prefers any other.
        """
        means = []
        for trial in self.search:
            scores = [score for run in trial if (score := run.score("dev")) is not None]
            if any(run.diverged for run in trial):
                means.append(LOWEST.get(trial[0].metric, 0.0))
            elif len(scores) < len(trial):
                return ()
            else:
                means.append(statistics.fmean(scores))
        return tuple(means)

    def influence_on(self, seeds: Collection[int]) -> np.ndarray:
        """Influence values [S, I] of the headline metric, of these seeds only."""
        return self.influence[self.headline][[seed in seeds for seed in self.seeds]]

    def score(self, metric: str | None = None) -> Interval:
        """The mean over the seeds and its interval, as fractions; by default of the headline."""
        return self._scores[metric or self.headline]

    @cached_property
    def _scores(self) -> dict[str, Interval]:
        """The score by metric."""
        return {
            metric: interval(influence, lowest=LOWEST.get(metric, 0.0))
            for metric, influence in self.influence.items()
        }

    def known(self, value: Callable[[RunRecord], T | None]) -> list[T]:
        """The values of the runs that are not None."""
        return [result for run in self.runs if (result := value(run)) is not None]

    def cost(self, name: str) -> float | None:
        """The median of a cost over the runs, None if it was not measured.

        Args:
            name: a field of `Costs`; `model_bytes`; or `milliseconds`, to answer a test item, in
                batches.
        """
        if name == "milliseconds":
            seconds = self.cost("test_seconds")
            items = len(self.predictions[0].gold) if self.predictions else 0
            return 1000 * seconds / items if seconds is not None and items else None
        values = self.known(
            lambda run: run.model_bytes if name == "model_bytes" else getattr(run.costs, name)
        )
        return statistics.median(values) if values else None


def shared_seeds(cells: Iterable[ResultCell]) -> set[int]:
    """The seeds that all of these cells have."""
    seeds = [set(cell.seeds) for cell in cells]
    return set.intersection(*seeds) if seeds else set()
