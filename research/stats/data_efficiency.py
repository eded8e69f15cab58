"""What an approach is worth in examples: how many another one needs to do as well.

After Le Scao and Rush 2021 (arXiv 2103.08493, section 3): the score against the number of examples,
straight lines that never fall, read from the score to the number. They take the best of their runs
and leave runs out for a spread; of our own runs these are means, and the intervals are those of
tests over seeds and items. A bootstrap over few seeds is too narrow (see results/statistics/), and
of a curve that is nearly flat it gives anything.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from research.stats.intervals import paired_p, variance

STEP = 1e-6  # of a score, for derivatives


@dataclass(frozen=True)
class Curve:
    """sizes: numbers of examples, ascending, [K]. scores: never falling, [K]."""

    sizes: np.ndarray
    scores: np.ndarray

    @classmethod
    def through(cls, sizes: Sequence[int], scores: Sequence[float] | np.ndarray) -> "Curve":
        """Each size with the best score up to it: examples may be left unused."""
        return cls(np.asarray(sizes, float), np.maximum.accumulate(scores))

    def examples(self, score: float) -> float:
        """The least number of examples for a score; -inf below the curve, inf above it."""
        if not self.scores[0] <= score <= self.scores[-1]:
            return math.copysign(math.inf, score - self.scores[0])
        place = int(np.searchsorted(self.scores, score))  # the first size with it, or more
        line = slice(max(place - 1, 0), place + 1)
        return float(np.interp(score, self.scores[line], self.sizes[line]))

    def area(self, low: float, high: float) -> float:
        """The number of examples integrated over the scores from `low` to `high`: the first size
        for those below the curve, the last one for those above it.
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
    """How many examples the first curve saves, mean over the scores that both have; NaN for none.

    whole: over the scores that either has, as the paper does for MultiRC.
    """
    lows, highs = (first.scores[0], second.scores[0]), (first.scores[-1], second.scores[-1])
    low, high = (min(lows), max(highs)) if whole else (max(lows), min(highs))
    if high <= low:
        return math.nan
    return (second.area(low, high) - first.area(low, high)) / (high - low)


@dataclass(frozen=True)
class Learner:
    """An approach with several numbers of examples. sizes: ascending, K. influence: K matrices
    [S, I] of the same seeds and items (see `research.stats.intervals`).
    """

    sizes: tuple[int, ...]
    influence: tuple[np.ndarray, ...]

    @cached_property
    def curve(self) -> Curve:
        return Curve.through(self.sizes, [one.mean() for one in self.influence])

    @cached_property
    def best(self) -> list[np.ndarray]:
        """The matrices that the curve goes through: of each size, the best up to it."""
        found = list(self.influence[:1])
        for one in self.influence[1:]:
            found.append(one if one.mean() > found[-1].mean() else found[-1])
        return found

    def at(self, examples: int) -> np.ndarray:
        """The matrix [S, I] on the line between two sizes; its mean is a point of the curve."""
        right = min(max(bisect_right(self.sizes, examples), 1), len(self.sizes) - 1)
        begin, end = self.sizes[right - 1], self.sizes[right]
        share = (examples - begin) / (end - begin)
        return (1 - share) * self.best[right - 1] + share * self.best[right]


@dataclass(frozen=True)
class Equivalent:
    """How many examples, and from how many to how many it may be; -inf is less than the least
    size, inf more than the greatest.
    """

    examples: float
    low: float
    high: float


def equivalent(influence: np.ndarray, other: Learner, level: float = 0.95) -> Equivalent:
    """With how many examples the other approach gets the score of an influence matrix [S, I].

    The interval has the numbers at which a paired t test cannot tell the two apart (the inversion
    of a test, Fieller 1954): open where that holds at the least or greatest size.
    """
    first, last = other.sizes[0], other.sizes[-1]
    sizes = range(first, last + 1)

    def apart(examples: int) -> bool:
        return paired_p(influence, other.at(examples)) < 1 - level

    examples = other.curve.examples(float(influence.mean()))
    nearest = round(min(max(examples, first), last))
    if apart(nearest):
        return Equivalent(examples, examples, examples)
    place = nearest - first
    low = bisect_left(sizes, True, hi=place, key=lambda size: not apart(size))
    high = bisect_left(sizes, True, lo=place, key=apart) - 1
    return Equivalent(
        examples,
        sizes[low] if apart(first) else -math.inf,
        sizes[high] if apart(last) else math.inf,
    )


def saved(first: Learner, second: Learner, level: float = 0.95) -> tuple[float, float] | None:
    """The advantage of the first and half of its interval; None where a paired t test cannot tell
    the greatest score that both have from the least.

    The advantage is a function of the mean scores, here taken to be linear in them (the delta
    method), so its own influence is a sum of theirs.
    """
    low = max(first.best[0], second.best[0], key=np.mean)
    high = min(first.best[-1], second.best[-1], key=np.mean)
    if high.mean() <= low.mean() or paired_p(high, low) >= 1 - level:
        return None
    matrices = np.stack([*first.influence, *second.influence])
    cut = len(first.sizes)

    def value(scores: np.ndarray) -> float:
        of_first = Curve.through(first.sizes, scores[:cut])
        return advantage(of_first, Curve.through(second.sizes, scores[cut:]))

    scores = matrices.mean((1, 2))
    steps = STEP * np.eye(len(scores))
    slopes = [(value(scores + step) - value(scores - step)) / (2 * STEP) for step in steps]
    v, degrees = variance(np.einsum("k,ksi->si", slopes, matrices))
    return value(scores), float(special.stdtrit(degrees, 0.5 + level / 2)) * v**0.5
