"""The number of examples with which an approach has another one's score, and its interval."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from research.stats.data_efficiency import Learner
from research.stats.intervals import paired_p
from research.stats.weighted_tests import WeightedTests

CLOSE = 1e-6  # to the level; such a p-value is computed again without shortcuts


@dataclass(frozen=True)
class Equivalent:
    """A number of examples and its interval; -inf: below the smallest size, inf: above the largest.

    Attributes:
        examples: The number of examples.
        low: Lower bound.
        high: Upper bound.
    """

    examples: float
    low: float
    high: float


def equivalent(influence: np.ndarray, other: Learner, level: float = 0.95) -> Equivalent:
    """The number of examples with which the other approach has the score of an influence matrix.

    The interval has the numbers at which a paired t test finds no significant difference (the
    inversion of a test, Fieller 1954); it is open where this holds at the smallest or largest size.

    Args:
        influence: Matrix [S, I].
        other: The other approach.
        level: Coverage of the interval.
    """
    return equivalent_of_pairs([influence], [other], [(0, 0)], level)[0]


def equivalent_of_pairs(
    matrices: Sequence[np.ndarray],
    learners: Sequence[Learner],
    pairs: Sequence[tuple[int, int]],
    level: float = 0.95,
) -> list[Equivalent]:
    """The `equivalent` of many pairs of a matrix and a learner, all tested at the same time.

    Args:
        matrices: Matrices [S, I] of the same seeds and items.
        learners: The other approaches.
        pairs: (index of a matrix, index of a learner).
        level: Coverage of the intervals.
    """
    if not pairs:
        return []
    means = [float(matrix.mean()) for matrix in matrices]
    examples = [learners[other].curve.examples(means[matrix]) for matrix, other in pairs]
    first = np.array([learners[other].sizes[0] for _, other in pairs])
    last = np.array([learners[other].sizes[-1] for _, other in pairs])
    nearest = np.array([round(x) for x in np.clip(examples, first, last).tolist()])
    differs = _Differences(matrices, learners, np.array(pairs), level)
    every = np.arange(len(pairs))
    outside = differs(every, nearest)
    inner = every[~outside]
    low, high = nearest.copy(), nearest.copy()
    low[inner] = _first_true(lambda i, n: ~differs(inner[i], n), first[inner], nearest[inner])
    high[inner] = (
        _first_true(lambda i, n: differs(inner[i], n), nearest[inner], last[inner] + 1) - 1
    )
    below, above = differs(every, first), differs(every, last)
    return [
        Equivalent(x, x, x)
        if outside[i]
        else Equivalent(
            x,
            int(low[i]) if below[i] else -math.inf,
            int(high[i]) if above[i] else math.inf,
        )
        for i, x in enumerate(examples)
    ]


class _Differences:
    """Whether matrices differ significantly from learners with numbers of examples."""

    def __init__(
        self,
        matrices: Sequence[np.ndarray],
        learners: Sequence[Learner],
        pairs: np.ndarray,
        level: float,
    ):
        self.matrices, self.learners, self.pairs = matrices, learners, pairs
        self.limit = 1 - level
        self.tests = WeightedTests([*matrices, *(m for learner in learners for m in learner.best)])
        counts = np.array([len(learner.sizes) for learner in learners])
        self.begins = len(matrices) + np.cumsum(counts) - counts  # of each learner's matrices
        self.sizes = np.full((len(learners), counts.max()), np.inf)
        for row, learner in zip(self.sizes, learners, strict=True):
            row[: len(learner.sizes)] = learner.sizes
        self.most = counts - 1

    def __call__(self, indices: np.ndarray, examples: np.ndarray) -> np.ndarray:
        """For the pairs with these indices, each with its number of examples."""
        matrix, other = self.pairs[indices].T
        right = (self.sizes[other] <= examples[:, None]).sum(1)
        right = np.minimum(np.maximum(right, 1), self.most[other])
        begin, end = self.sizes[other, right - 1], self.sizes[other, right]
        share = (examples - begin) / (end - begin)
        of_other = self.begins[other] + right
        p_values, exact = self.tests.p_values(
            np.stack([matrix, of_other - 1, of_other], axis=1),
            np.stack([np.ones(len(share)), share - 1, -share], axis=1),
        )
        differing = p_values < self.limit
        for i in np.flatnonzero(~exact | (np.abs(p_values - self.limit) < CLOSE)):
            at = self.learners[other[i]].at(int(examples[i]))
            differing[i] = paired_p(self.matrices[matrix[i]], at) < self.limit
        return differing


def _first_true(
    holds: Callable[[np.ndarray, np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """The least number from `low` to below `high` for which each of many functions holds, `high`
    where there is none; by bisection, so each must hold from some number on.

    holds: (indices of functions, numbers) to whether they hold.
    """
    low, high = low.copy(), high.copy()
    while len(left := np.flatnonzero(low < high)):
        middle = (low[left] + high[left]) // 2
        true = holds(left, middle)
        high[left[true]] = middle[true]
        low[left[~true]] = middle[~true] + 1
    return low
