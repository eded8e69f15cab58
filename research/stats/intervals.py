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
    """A score and its confidence interval, as fractions.

    Attributes:
        score: Mean over seeds and items.
        low: Lower bound.
        high: Upper bound.
        seeds: Number of seeds.
        items: Number of items.
    """

    score: float
    low: float
    high: float
    seeds: int
    items: int


def influences(answers: Sequence[Answered], metric: str) -> np.ndarray:
    """The contribution of each item to each seed's score: [S, I]; its mean over items is the score.

    u_si = f_s + (I - 1) (mean_j f_s(-j) - f_s(-i)), with f_s(-i) the metric of seed s without item
    i: the pseudo-values of the jackknife (Tukey 1958; Efron and Tibshirani 1993, ch. 11), shifted
    so that their mean is f_s. For accuracy u_si is 1 where the answer is right, else 0. BLEU, chrF
    and correlations are not means over items; their pseudo-values take the place of the items'
    scores.

    Args:
        answers: Answers of each seed to the same items.
        metric: Name of the metric.
    """
    rows = []
    for answer in answers:
        score, deleted = answer.without(metric)
        rows.append(score + (len(deleted) - 1) * (deleted.mean() - deleted))
    return np.stack(rows)


class CrossedVariance(NamedTuple):
    """Variances of the mean of crossed matrices, arrays [...] or numbers.

    Attributes:
        seeds: Variance due to seeds.
        items: Variance due to items.
        interaction: Variance due to their interaction; it is part of both of the others.
    """

    seeds: Any
    items: Any
    interaction: Any


def crossed_variance(influence: np.ndarray) -> CrossedVariance:
    """Variances of the mean of crossed matrices [..., S, I], S and I at least 2.

    With the row means r_s, the column means c_i and the grand mean m of u_si

        seeds = sum (r_s - m)^2 / (S (S - 1)),  items = sum (c_i - m)^2 / (I (I - 1)),
        interaction = sum (u_si - r_s - c_i + m)^2 / (S I (S - 1) (I - 1)).
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
    analysis of variance (Searle, Casella and McCulloch 1992, ch. 4). This can be smaller than the
    variance of one source alone, so V is at least the larger of the two. The degrees of freedom are
    those of Satterthwaite (1946), V^2 / (sum of V_k^2 / degrees of k), or those of the larger
    source where V is its variance. With one seed, V is the variance due to items alone.
    """
    seeds, items = influence.shape[-2:]
    if seeds == 1 or items == 1:
        single = influence.mean(-2) if seeds == 1 else influence.mean(-1)
        count = single.shape[-1]
        v = single.var(-1, ddof=1) / count if count > 1 else np.zeros(single.shape[:-1])
        return v, np.full_like(v, max(count - 1, 1))
    return combined_variance(*crossed_variance(influence), seeds, items)


def combined_variance(
    of_seeds: Any, of_items: Any, interaction: Any, seeds: int, items: int
) -> tuple[Any, Any]:
    """The variance and degrees of freedom of `variance` from its components.

    Args:
        of_seeds: Variance due to seeds.
        of_items: Variance due to items.
        interaction: Variance due to their interaction.
        seeds: Number of seeds, at least 2.
        items: Number of items, at least 2.
    """
    total, largest = of_seeds + of_items - interaction, np.maximum(of_seeds, of_items)
    freedom = (seeds - 1) * (items - 1)
    parts = of_seeds**2 / (seeds - 1) + of_items**2 / (items - 1) + interaction**2 / freedom
    degrees = np.where(of_seeds > of_items, seeds - 1, items - 1)
    summed = total > largest
    degrees = np.where(summed, total**2 / np.where(summed, parts, 1), degrees)
    return np.where(summed, total, largest), degrees


def bounds(influence: np.ndarray, level: float = 0.95, lowest: float = 0.0) -> tuple[Any, Any]:
    """The two-sided t interval of the mean of crossed matrices [..., S, I], in log-odds.

    The distribution of a score near 0 or 1 is skewed, that of its log-odds less so. With m the
    mean, the variance of the log-odds is V / (m (1 - m))^2 (the delta method; for one binomial see
    Brown, Cai and DasGupta 2001). results/statistics/ has the simulated coverage. Where all entries
    are equal, as if every answer is right, V is 0; the bounds are then those of Wilson (1927) for I
    items.

    Args:
        influence: Matrices [..., S, I], see `influences`.
        level: Coverage.
        lowest: Minimum of the score; 1 is its maximum. Log-odds are those of the score's relative
            position between the two. For a correlation (-1), half of them is Fisher's z (1921).
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
    """The mean of an influence matrix [S, I] and its interval, see `bounds`."""
    low, high = map(float, bounds(influence, level, lowest))
    return Interval(float(influence.mean()), low, high, *influence.shape)


def paired_p(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided p-value of equal scores: a t test on the difference of two influence matrices.

    Both are [S, I] with the same seeds and the same items in the same order; effects of seeds and
    items that are common to both cancel.
    """
    difference = first - second
    v, degrees = variance(difference)
    return p_value(float(difference.mean()), v, degrees)


def p_value(mean: float, v: float, degrees: float) -> float:
    """Two-sided p-value of the t test that a mean with variance v is 0."""
    if v < 1e-24:
        return float(abs(mean) < 1e-12)
    return float(2 * special.stdtr(degrees, -abs(mean) / v**0.5))


def _wilson(share: Any, items: int, z: float) -> tuple[Any, Any]:
    """Wilson's score interval of the share of successes among `items`."""
    center = (share + z**2 / (2 * items)) / (1 + z**2 / items)
    spread = share * (1 - share) / items + z**2 / (4 * items**2)
    half = z * np.maximum(spread, 0.0) ** 0.5 / (1 + z**2 / items)
    return center - half, center + half
