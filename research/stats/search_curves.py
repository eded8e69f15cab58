"""What trials came to on dev: the best that few of them would have found, and how wide a stretch of
learning rates does about as well as the best.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POINT = 0.01  # so near to the best of all trials, more of them hardly help


def expected_best(scores: Sequence[float], k: int) -> float:
    """The mean, over all sets of k of the scores, of the best in the set.

    Of n ascending scores the i-th is the best of C(i-1, k-1) of C(n, k) sets. This is the expected
    validation performance of Dodge et al. 2019 (arXiv 1909.03004, section 3), who draw with
    replacement, estimated without it, as Tang et al. 2020 (arXiv 2004.13705) do: unbiased, and all
    n give the best score found.
    """
    ways = [math.comb(place, k - 1) for place in range(len(scores))]
    total = math.fsum(way * score for way, score in zip(ways, sorted(scores), strict=True))
    return total / math.comb(len(scores), k)


def best_of(scores: Sequence[float]) -> list[float]:
    """The curve of `expected_best`: of 1, 2, ... of the scores, and of all."""
    return [expected_best(scores, k) for k in range(1, len(scores) + 1)]


def enough(scores: Sequence[float]) -> int:
    """The least number of trials whose expected best comes within a point of the best of all."""
    near = max(scores) - POINT - 1e-9
    return next(k for k in range(1, len(scores) + 1) if expected_best(scores, k) >= near)


@dataclass(frozen=True)
class Plateau:
    """The rates around the best that do about as well, from `low` to `high`.

    best: the best of the rates tried, of equals the one nearest to their middle. inside, tried: how
    many of them are on the plateau, and how many there are. below, above: whether it goes on to the
    least rate tried, or to the greatest, so that it may go on beyond.
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
        """Its width in factors of ten."""
        return math.log10(self.high / self.low)

    @property
    def at_end(self) -> bool:
        """Whether the best is the least or the greatest rate tried: a better one may lie beyond."""
        return self.best in (self.below and self.low, self.above and self.high)


def plateau(rates: Sequence[float], scores: Sequence[float], within: float) -> Plateau:
    """The stretch of rates whose score is no more than `within` below the best one.

    rates: at least one, each once; scores: one each. Between two rates the score is taken to go in
    a straight line over the logarithm of the rate. Beyond a rate that does worse, none counts.
    """
    ascending, y = np.array(sorted(zip(rates, scores, strict=True))).T
    x, floor = np.log(ascending), y.max() - within - 1e-9
    best = min(np.flatnonzero(y == y.max()), key=lambda place: abs(place - (len(y) - 1) / 2))
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
    """By how much two trials of a cell differ by chance: the standard error of the difference of
    their mean scores over the seeds, all cells together; 0 where no cell has two trials and seeds.

    tables: for each cell [T, S], the scores of T trials with the same S seeds. What a seed does to
    all trials of a cell alike is left out; with rest_ts what a two-way layout of trials and seeds
    leaves over, the square is the mean of 2 / S sum rest_ts^2 / ((T - 1) (S - 1)) over the cells,
    weighted by their degrees of freedom (T - 1) (S - 1).
    """
    squares, freedom = 0.0, 0
    for table in tables:
        trials, seeds = table.shape
        rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
        squares += 2 / seeds * float((rest**2).sum())
        freedom += (trials - 1) * (seeds - 1)
    return math.sqrt(squares / freedom) if freedom else 0.0
