"""Intervals and paired tests for scores of S seeds on the same I test items.

Seeds and items are crossed: every seed scores every item. Both are samples, of training runs and
of the task's texts, so both make the score uncertain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy import special


class Answered(Protocol):
    """The answers of one seed: the score, and the score without each of the items [I]."""

    def without(self, metric: str) -> tuple[float, np.ndarray]: ...


@dataclass(frozen=True)
class Interval:
    """A score and its confidence interval, as fractions. seeds, items: how many."""

    score: float
    low: float
    high: float
    seeds: int
    items: int


def influences(found: Sequence[Answered], metric: str) -> np.ndarray:
    """Each item's share in each seed's score: [S, I], with the seed's score as its mean over items.

    found: the answers of each seed to the same items. u_si = f_s + (I - 1) (mean_j f_s(-j) -
    f_s(-i)), with f_s(-i) the metric of seed s without item i: the jackknife's pseudo-values
    (Tukey 1958; Efron and Tibshirani 1993, ch. 11), moved so that their mean is f_s itself. For
    accuracy u_si is 1 where the answer is right, else 0; BLEU, chrF and correlations are no means
    over items, and their pseudo-values stand in for such.
    """
    rows = []
    for one in found:
        score, deleted = one.without(metric)
        rows.append(score + (len(deleted) - 1) * (deleted.mean() - deleted))
    return np.stack(rows)


class CrossedVariance(NamedTuple):
    """What makes the mean of a crossed matrix vary, [...] or a number."""

    seeds: Any
    items: Any
    interaction: Any


def crossed_variance(influence: np.ndarray) -> CrossedVariance:
    """Variances of the mean of crossed matrices [..., S, I], S and I at least 2.

    With the row means r_s, the column means c_i and the grand mean m of u_si

        seeds = sum (r_s - m)^2 / (S (S - 1)),  items = sum (c_i - m)^2 / (I (I - 1)),
        interaction = sum (u_si - r_s - c_i + m)^2 / (S I (S - 1) (I - 1)).

    The interaction is part of both of the others.
    """
    seeds, items = influence.shape[-2:]
    rows, columns = influence.mean(-1, keepdims=True), influence.mean(-2, keepdims=True)
    rest = influence - rows - columns + rows.mean(-2, keepdims=True)
    return CrossedVariance(
        rows[..., 0].var(-1, ddof=1) / seeds,
        columns[..., 0, :].var(-1, ddof=1) / items,
        (rest**2).sum((-2, -1)) / (seeds * items * (seeds - 1) * (items - 1)),
    )


def variance(influence: np.ndarray) -> tuple[Any, Any]:
    """Variance of the mean of crossed matrices [..., S, I], and its degrees of freedom.

    V = seeds + items - interaction: the two-way cluster-robust variance of Cameron, Gelbach and
    Miller (2011), in the form that is unbiased for balanced data, the two-way random effects
    analysis of variance (Searle, Casella and McCulloch 1992, ch. 4). The difference can fall below
    what one source alone gives; V is at least the larger of the two. Degrees of freedom after
    Satterthwaite (1946): V^2 / (sum of each V_k^2 / its own degrees), or those of the larger source
    where it sets V. One seed shows nothing of the seeds: the items alone.
    """
    seeds, items = influence.shape[-2:]
    if seeds == 1 or items == 1:
        single = influence.mean(-2) if seeds == 1 else influence.mean(-1)
        count = single.shape[-1]
        v = single.var(-1, ddof=1) / count if count > 1 else np.zeros(single.shape[:-1])
        return v, np.full_like(v, max(count - 1, 1))
    of_seeds, of_items, interaction = crossed_variance(influence)
    total, largest = of_seeds + of_items - interaction, np.maximum(of_seeds, of_items)
    freedom = (seeds - 1) * (items - 1)
    parts = of_seeds**2 / (seeds - 1) + of_items**2 / (items - 1) + interaction**2 / freedom
    degrees = np.where(of_seeds > of_items, seeds - 1, items - 1)
    summed = total > largest
    degrees = np.where(summed, total**2 / np.where(summed, parts, 1), degrees)
    return np.where(summed, total, largest), degrees


def bounds(influence: np.ndarray, level: float = 0.95, lowest: float = 0.0) -> tuple[Any, Any]:
    """The two-sided t interval of the mean of crossed matrices [..., S, I], on the scale of
    log-odds.

    A score near 0 or 1 is skewed over seeds and over items, its log-odds are less so; with m the
    mean, the variance of theirs is V / (m (1 - m))^2 (the delta method; for one binomial see Brown,
    Cai and DasGupta 2001). How often it covers is simulated in results/statistics/. Where all
    entries are equal (every answer right) V is 0 and says nothing; the bounds are then those of
    Wilson (1927) for I items.

    lowest: the least that the score can be, 1 is the most; all of this is of the share of the way
    between. Of a correlation, from -1 on, half of those log-odds is Fisher's z (1921).
    """
    shares = (influence - lowest) / (1 - lowest)
    score, items = shares.mean((-2, -1)), shares.shape[-1]
    v, degrees = variance(shares)
    usual = (np.ptp(shares, axis=(-2, -1)) > 1e-12) & (score > 0) & (score < 1)
    share = np.where(usual, score, 0.5)
    half = special.stdtrit(degrees, 0.5 + level / 2) * v**0.5 / (share * (1 - share))
    odds = special.logit(share)
    wilson = _wilson(score, items, float(special.ndtri(0.5 + level / 2)))
    low, high = (
        np.where(usual, special.expit(odds + side * half), np.clip(other, 0, 1))
        for side, other in zip((-1, 1), wilson, strict=True)
    )
    return lowest + (1 - lowest) * low, lowest + (1 - lowest) * high


def interval(influence: np.ndarray, level: float = 0.95, lowest: float = 0.0) -> Interval:
    """The mean of an influence matrix [S, I], and its interval by `bounds`."""
    low, high = map(float, bounds(influence, level, lowest))
    return Interval(float(influence.mean()), low, high, *influence.shape)


def paired_p(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided p-value of equal scores: a t test on the difference of two influence matrices.

    Both [S, I], the same seeds and the same items in the same order; what seeds and items do to
    both alike cancels.
    """
    difference = first - second
    v, degrees = variance(difference)
    mean = float(difference.mean())
    if v < 1e-24:
        return 1.0 if abs(mean) < 1e-12 else 0.0
    return float(2 * special.stdtr(degrees, -abs(mean) / v**0.5))


def _wilson(share: Any, items: int, z: float) -> tuple[Any, Any]:
    """Wilson's score interval of shares of `items`."""
    center = (share + z**2 / (2 * items)) / (1 + z**2 / items)
    spread = share * (1 - share) / items + z**2 / (4 * items**2)
    half = z * np.maximum(spread, 0.0) ** 0.5 / (1 + z**2 / items)
    return center - half, center + half


@dataclass(frozen=True)
class MeanDifference:
    """A difference of two mean scores and its 95 % interval, as fractions."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, difference: np.ndarray) -> tuple["MeanDifference", float]:
        """Of the difference [S, I] of two influence matrices of the same seeds and items, and the
        p-value of none.
        """
        v, degrees = variance(difference)
        return cls.around(float(difference.mean()), float(v), float(degrees))

    @classmethod
    def around(cls, mean: float, v: float, degrees: float) -> tuple["MeanDifference", float]:
        """By the t distribution, of a mean difference with variance v; and the p-value of none."""
        half = float(special.stdtrit(degrees, 0.975)) * v**0.5
        if v < 1e-24:
            return cls(mean, mean, mean), float(abs(mean) < 1e-12)
        return cls(mean, mean - half, mean + half), float(
            2 * special.stdtr(degrees, -abs(mean) / v**0.5)
        )

    def text(self) -> str:
        """`+1.2 [-0.3, +2.7]`, in points."""
        return f"{100 * self.mean:+.1f} [{100 * self.low:+.1f}, {100 * self.high:+.1f}]"
