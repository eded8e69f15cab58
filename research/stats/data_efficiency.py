"""Data efficiency: the number of examples with which an approach reaches another one's score.

After Le Scao and Rush 2021 (arXiv 2103.08493, section 3): the score as a function of the number of
examples, linear between sizes and never decreasing, is inverted. They use the best of their runs
and leave out runs to estimate the spread. Here scores are means over runs, and intervals come from
tests over seeds and items: a bootstrap over few seeds is too narrow (see results/statistics/), and
unreliable for a nearly flat curve.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from research.stats.intervals import paired_p, variance

STEP = 1e-6  # of a score, for numerical derivatives


@dataclass(frozen=True)
class Curve:
    """The score as a function of the number of examples.

    Attributes:
        sizes: Numbers of examples [K], ascending.
        scores: Scores [K], never decreasing.
    """

    sizes: np.ndarray
    scores: np.ndarray

    @classmethod
    def through(cls, sizes: Sequence[int], scores: Sequence[float] | np.ndarray) -> "Curve":
        """The curve of the best score up to each size: examples can be left unused."""
        return cls(np.asarray(sizes, float), np.maximum.accumulate(scores))

    def examples(self, score: float) -> float:
        """The minimum number of examples for a score; -inf below the curve, inf above it."""
        if not self.scores[0] <= score <= self.scores[-1]:
            return math.copysign(math.inf, score - self.scores[0])
        index = int(np.searchsorted(self.scores, score))  # the first size with this score or more
        line = slice(max(index - 1, 0), index + 1)
        return float(np.interp(score, self.scores[line], self.sizes[line]))

    def area(self, low: float, high: float) -> float:
        """The integral of the number of examples over the scores from `low` to `high`.

        It is the first size for scores below the curve, the last size for scores above it.
        """
        ends = [min(low, self.scores[0])], [max(high, self.scores[-1])]
        edges = np.concatenate([ends[0], self.scores, ends[1]])
        sizes = np.concatenate([self.sizes[:1], self.sizes, self.sizes[-1:]])
        rise = np.diff(edges)
        slope = np.divide(np.diff(sizes), rise, out=np.zeros_like(rise), where=rise > 0)
        begin, end = np.clip(edges[:-1], low, high), np.clip(edges[1:], low, high)
        middle = sizes[:-1] + ((begin + end) / 2 - edges[:-1]) * slope
        return float((middle * (end - begin)).sum())


def advantage(first: Curve, second: Curve, whole: bool = False) -> float:
    """The number of examples that the first curve saves, averaged over scores that both reach.

    NaN if there are no such scores.

    whole: whether to average over the scores that either reaches, as the paper does for MultiRC.
    """
    lows, highs = (first.scores[0], second.scores[0]), (first.scores[-1], second.scores[-1])
    low, high = (min(lows), max(highs)) if whole else (max(lows), min(highs))
    if high <= low:
        return math.nan
    return (second.area(low, high) - first.area(low, high)) / (high - low)


@dataclass(frozen=True)
class Learner:
    """An approach trained with several numbers of examples.

    Attributes:
        sizes: K numbers of examples, ascending.
        influence: K matrices [S, I] of the same seeds and items, see `research.stats.intervals`.
    """

    sizes: tuple[int, ...]
    influence: tuple[np.ndarray, ...]

    @cached_property
    def curve(self) -> Curve:
        """The curve of the mean scores."""
        return Curve.through(self.sizes, [matrix.mean() for matrix in self.influence])

    @cached_property
    def best(self) -> list[np.ndarray]:
        """The matrix of each point of the curve: of the best size up to it."""
        matrices = list(self.influence[:1])
        for matrix in self.influence[1:]:
            matrices.append(matrix if matrix.mean() > matrices[-1].mean() else matrices[-1])
        return matrices

    def at(self, examples: int) -> np.ndarray:
        """The matrix [S, I] interpolated between two sizes; its mean is a point of the curve."""
        right = min(max(bisect_right(self.sizes, examples), 1), len(self.sizes) - 1)
        begin, end = self.sizes[right - 1], self.sizes[right]
        share = (examples - begin) / (end - begin)
        return (1 - share) * self.best[right - 1] + share * self.best[right]


def saved(first: Learner, second: Learner, level: float = 0.95) -> tuple[float, float] | None:
    """(advantage of the first approach, half the width of its interval).

    None where the highest and lowest scores that both reach are not significantly different. The
    advantage is a function of the mean scores; its influence is the sum of theirs, weighted by the
    derivatives (the delta method).
    """
    low = max(first.best[0], second.best[0], key=np.mean)
    high = min(first.best[-1], second.best[-1], key=np.mean)
    if high.mean() <= low.mean() or paired_p(high, low) >= 1 - level:
        return None
    matrices = np.stack([*first.influence, *second.influence])
    cut = len(first.sizes)

    def value(scores: np.ndarray) -> float:
        curve = Curve.through(first.sizes, scores[:cut])
        return advantage(curve, Curve.through(second.sizes, scores[cut:]))

    scores = matrices.mean((1, 2))
    steps = STEP * np.eye(len(scores))
    slopes = [(value(scores + step) - value(scores - step)) / (2 * STEP) for step in steps]
    v, degrees = variance(np.einsum("k,ksi->si", slopes, matrices))
    return value(scores), float(special.stdtrit(degrees, 0.5 + level / 2)) * v**0.5
