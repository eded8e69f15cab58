"""The answers of both sides to the test examples of a cell."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from research.stats.mean_difference import MeanDifference


@dataclass(frozen=True)
class RunPair:
    """One run on both sides.

    Attributes:
        gold: [I], right classes.
        ours: [I], classes that our run predicted; -1 for no answer.
        peft: [I], classes that PyTorch's run predicted.
        our_step: the step whose weights answered, on our side.
        peft_step: the same on PyTorch's side.
    """

    gold: np.ndarray
    ours: np.ndarray
    peft: np.ndarray
    our_step: int
    peft_step: int


@dataclass(frozen=True)
class CellComparison:
    """The tested runs of a cell on both sides.

    Attributes:
        approach: name of the approach.
        task: name of the task.
        regime: the regime.
        runs: a pair for each seed.
    """

    approach: str
    task: str
    regime: str
    runs: tuple[RunPair, ...]

    @property
    def ours(self) -> np.ndarray:
        """Our accuracy of each seed, [S]."""
        return np.array([np.mean(run.ours == run.gold) for run in self.runs])

    @property
    def peft(self) -> np.ndarray:
        """PyTorch's accuracy of each seed, [S]."""
        return np.array([np.mean(run.peft == run.gold) for run in self.runs])

    @property
    def same(self) -> float:
        """Share of test examples with the same answer on both sides."""
        return float(np.mean([run.ours == run.peft for run in self.runs]))

    @cached_property
    def difference(self) -> tuple[MeanDifference, float]:
        """The mean difference of accuracies, ours minus PyTorch's, and its p-value.

        Seeds and test examples are the same on both sides.
        """
        pairs = [(run.ours == run.gold).astype(float) - (run.peft == run.gold) for run in self.runs]
        return MeanDifference.of(np.stack(pairs))

    @property
    def agrees(self) -> bool:
        """Whether the interval of the difference contains 0."""
        difference, _ = self.difference
        return difference.low <= 0 <= difference.high
