"""Hyper-parameter search: the expected best of fewer trials, and the plateau of learning rates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POINT = 0.01


def expected_best(scores: Sequence[float], k: int) -> float:
    """The best of k scores, averaged over all sets of k of them.

    The i-th of n ascending scores is the best of C(i-1, k-1) of the C(n, k) sets. This is the
    expected validation performance of Dodge et al. 2019 (arXiv 1909.03004, section 3), estimated
    without replacement, as by Tang et al. 2020 (arXiv 2004.13705): it is unbiased, and for k = n it
    is the maximum.
    """
    ways = [math.comb(index, k - 1) for index in range(len(scores))]
    total = math.fsum(way * score for way, score in zip(ways, sorted(scores), strict=True))
    return total / math.comb(len(scores), k)


def best_of(scores: Sequence[float]) -> list[float]:
    """`expected_best` for k = 1, 2, ..., n."""
    return [expected_best(scores, k) for k in range(1, len(scores) + 1)]


def enough(scores: Sequence[float]) -> int:
    """The minimum number of trials whose expected best is within one point of the maximum."""
    near = max(scores) - POINT - 1e-9
    return next(k for k in range(1, len(scores) + 1) if expected_best(scores, k) >= near)


@dataclass(frozen=True)
class Plateau:
    """The range of learning rates around the best with about the same score.

    Attributes:
        low: Lower end of the range.
        high: Upper end of the range.
        best: Rate with the best score; of several, the one nearest to the middle of all rates.
        inside: Number of rates tried that are in the range.
        tried: Number of rates tried.
        below: Whether the range includes the lowest rate tried, so that it may extend further.
        above: Whether it includes the highest rate tried.
    """

    low: float
    high: float
    best: float
    inside: int
    tried: int
    below: bool
    above: bool

    @property
    def decades(self) -> float:
        """Width of the range in powers of ten."""
        return math.log10(self.high / self.low)

    @property
    def at_end(self) -> bool:
        """Whether the best rate is the lowest or highest tried: a better one may lie beyond."""
        return self.best in (self.below and self.low, self.above and self.high)


def plateau(rates: Sequence[float], scores: Sequence[float], within: float) -> Plateau:
    """The range of rates around the best whose scores are at most `within` below the best.

    Between two rates the score is interpolated linearly in the logarithm of the rate. The range
    ends at the first rate with a lower score.

    Args:
        rates: Distinct learning rates, at least one.
        scores: Score of each rate.
        within: Maximum difference from the best score.
    """
    ascending, y = np.array(sorted(zip(rates, scores, strict=True))).T
    x, floor = np.log(ascending), y.max() - within - 1e-9
    best = min(np.flatnonzero(y == y.max()), key=lambda index: abs(index - (len(y) - 1) / 2))
    worse = np.flatnonzero(y < floor)
    first = int(worse[worse < best].max(initial=-1)) + 1
    last = int(worse[worse > best].min(initial=len(x))) - 1

    def edge(inside: int, outside: int) -> float:
        if not 0 <= outside < len(x):
            return float(ascending[inside])
        share = (y[inside] - floor) / (y[inside] - y[outside])
        return math.exp(x[inside] + share * (x[outside] - x[inside]))

    return Plateau(
        low=edge(first, first - 1),
        high=edge(last, last + 1),
        best=float(ascending[best]),
        inside=last - first + 1,
        tried=len(x),
        below=first == 0,
        above=last == len(x) - 1,
    )


def noise(tables: Sequence[np.ndarray]) -> float:
    """Standard error of the difference of two trials' mean scores over seeds, pooled over cells.

    0 if no cell has two trials and two seeds. The effect of a seed on all trials of a cell is
    removed. With rest_ts the residuals of the two-way layout of trials and seeds, the square is the
    mean of 2 / S sum rest_ts^2 / ((T - 1) (S - 1)) over the cells, weighted by their degrees of
    freedom (T - 1) (S - 1).

    tables: for each cell, the scores [T, S] of T trials with the same S seeds.
    """
    squares, freedom = 0.0, 0
    for table in tables:
        trials, seeds = table.shape
        rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
        squares += 2 / seeds * float((rest**2).sum())
        freedom += (trials - 1) * (seeds - 1)
    return math.sqrt(squares / freedom) if freedom else 0.0
