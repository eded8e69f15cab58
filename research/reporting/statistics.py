"""Intervals and paired tests for scores of S seeds on the same I test items.

Seeds and items are crossed: every seed scores every item. Both are samples, of training runs and
of the task's texts, so both make the score uncertain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import stats


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

    @property
    def half_width(self) -> float:
        """Half of the interval; on both sides of the score unless it was clipped."""
        return (self.high - self.low) / 2


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


def variance(influence: np.ndarray) -> tuple[float, float]:
    """Variance of the mean of a crossed [S, I] matrix, and its degrees of freedom.

    V = V_seeds + V_items - V_interaction: the two-way cluster-robust variance of Cameron, Gelbach
    and Miller (2011), in the form that is unbiased for balanced data, the two-way random effects
    analysis of variance (Searle, Casella and McCulloch 1992, ch. 4). With the row means r_s, the
    column means c_i and the grand mean m of u_si

        V_seeds = sum (r_s - m)^2 / (S (S - 1)),  V_items = sum (c_i - m)^2 / (I (I - 1)),
        V_interaction = sum (u_si - r_s - c_i + m)^2 / (S I (S - 1) (I - 1)).

    The difference can fall below what one source alone gives; V is at least the larger of the two.
    Degrees of freedom after Satterthwaite (1946): V^2 / (sum of each V_k^2 / its own degrees), or
    those of the larger source where it sets V. One seed shows nothing of the seeds: V_items alone.
    """
    seeds, items = influence.shape
    rows, columns, mean = influence.mean(1), influence.mean(0), influence.mean()
    of_items = float(columns.var(ddof=1)) / items if items > 1 else 0.0
    if seeds == 1:
        return of_items, max(items - 1, 1)
    of_seeds = float(rows.var(ddof=1)) / seeds
    if items == 1:
        return of_seeds, seeds - 1
    rest = influence - rows[:, None] - columns[None, :] + mean
    freedom = (seeds - 1) * (items - 1)
    interaction = float((rest**2).sum()) / (seeds * items * freedom)
    total = of_seeds + of_items - interaction
    if total <= max(of_seeds, of_items):
        return max((of_seeds, seeds - 1), (of_items, items - 1))
    parts = of_seeds**2 / (seeds - 1) + of_items**2 / (items - 1) + interaction**2 / freedom
    return total, total**2 / parts


def interval(influence: np.ndarray, level: float = 0.95, lowest: float = 0.0) -> Interval:
    """The mean of an influence matrix [S, I] and its two-sided t interval, clipped to what a score
    can be, from `lowest` to 1.

    Measured coverage of 95 % intervals of accuracy over 300 items: 0.93 to 0.97 with five seeds,
    0.92 to 0.97 with three, 0.88 to 0.97 with two. Where all entries are equal (every answer right)
    the variance is 0 and says nothing; the bounds are then those of Wilson (1927) for I items, by
    how far the score is from `lowest` to 1.
    """
    seeds, items = influence.shape
    score = float(influence.mean())
    v, degrees = variance(influence)
    t = float(stats.t.ppf(0.5 + level / 2, degrees))
    low, high = score - t * v**0.5, score + t * v**0.5
    if np.ptp(influence) < 1e-12:
        share, z = (score - lowest) / (1 - lowest), float(stats.norm.ppf(0.5 + level / 2))
        low, high = (lowest + (1 - lowest) * bound for bound in _wilson(share, items, z))
    return Interval(score, max(low, lowest), min(high, 1.0), seeds, items)


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
    return float(2 * stats.t.sf(abs(mean) / v**0.5, degrees))


def holm(p_values: Sequence[float], level: float = 0.05) -> list[bool]:
    """Which hypotheses fall, by Holm's step-down rule (1979): family-wise error at most `level`."""
    rejected = [False] * len(p_values)
    for step, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[i] > level / (len(p_values) - step):
            break
        rejected[i] = True
    return rejected


def indistinguishable(cells: Sequence[np.ndarray], level: float = 0.05) -> list[bool]:
    """Which cells cannot be told apart from the best: the best one, and those whose paired test
    against it does not fall by Holm's rule.

    cells: influence matrices [S, I], the same seeds and items. The best is picked by the same
    scores, so a cell left out is not proven worse at `level` among many equal ones; what holds (and
    is simulated in the tests) is that the truly best cell is in the group with 1 - `level` or more.
    """
    if not cells:
        return []
    best = max(range(len(cells)), key=lambda i: cells[i].mean())
    others = [i for i in range(len(cells)) if i != best]
    fallen = holm([paired_p(cells[best], cells[i]) for i in others], level)
    worse = {i for i, falls in zip(others, fallen, strict=True) if falls}
    return [i not in worse for i in range(len(cells))]


def _wilson(share: float, items: int, z: float) -> tuple[float, float]:
    """Wilson's score interval of a share of `items`."""
    center = (share + z**2 / (2 * items)) / (1 + z**2 / items)
    spread = share * (1 - share) / items + z**2 / (4 * items**2)
    half = z * max(spread, 0.0) ** 0.5 / (1 + z**2 / items)
    return center - half, center + half
