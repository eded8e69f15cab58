"""Other methods for intervals and best groups, which the simulations compare with ours.

Each method for intervals takes right answers, bool [N, S, I], and a random generator, and returns
the bounds [N] of a 95 % interval of the score.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from research.stats.intervals import paired_p, variance

Bounds = tuple[np.ndarray, np.ndarray]
RESAMPLES = 400


def symmetric(right: np.ndarray, _: np.random.Generator) -> Bounds:
    """Our variance and degrees of freedom, without the transformation to log-odds."""
    score, (v, degrees) = right.mean((1, 2)), variance(right * 1.0)
    half = stats.t.ppf(0.975, degrees) * v**0.5
    return score - half, score + half


def binomial(right: np.ndarray, _: np.random.Generator) -> Bounds:
    """A binomial interval of the mean score on I items, which ignores the variance over seeds."""
    score = right.mean((1, 2))
    half = 1.96 * (score * (1 - score) / right.shape[2]) ** 0.5
    return score - half, score + half


def seeds_only(right: np.ndarray, _: np.random.Generator) -> Bounds:
    """A t interval of the S scores, which ignores the variance over items."""
    scores = right.mean(2)
    seeds = scores.shape[1]
    half = stats.t.ppf(0.975, seeds - 1) * scores.std(1, ddof=1) / seeds**0.5
    return scores.mean(1) - half, scores.mean(1) + half


def hierarchical(right: np.ndarray, rng: np.random.Generator) -> Bounds:
    """Percentiles of a bootstrap of seeds, and of items separately for each seed.

    The number of right answers in a resample of I items is binomial.
    """
    draws, seeds, items = right.shape
    scores = right.mean(2)
    picked = rng.integers(seeds, size=(draws, RESAMPLES, seeds))
    chance = np.take_along_axis(scores[:, None], picked, axis=2)
    return _percentiles(rng.binomial(items, chance).mean(2) / items)


def crossed(right: np.ndarray, rng: np.random.Generator) -> Bounds:
    """Percentiles of a bootstrap of seeds and of items, with the same items for all seeds (the
    pigeonhole bootstrap, Owen 2007).
    """
    _, seeds, items = right.shape
    item_counts = rng.multinomial(items, [1 / items] * items, size=RESAMPLES)
    seed_counts = rng.multinomial(seeds, [1 / seeds] * seeds, size=RESAMPLES)
    # Counts are exact in float32, so the result does not depend on the order of summation.
    by_seed = right.astype(np.float32) @ item_counts.T.astype(np.float32)  # [N, S, resamples]
    return _percentiles((by_seed * seed_counts.T).sum(1) / (items * seeds))


def _percentiles(scores: np.ndarray) -> Bounds:
    low, high = np.quantile(scores, [0.025, 0.975], axis=1)
    return low, high


def holm_against_best(cells: Sequence[np.ndarray], level: float = 0.05) -> list[bool]:
    """The best group by K - 1 paired tests against the best with Holm's rule (1979), as if the best
    cell had been chosen in advance.
    """
    best = max(range(len(cells)), key=lambda i: cells[i].mean())
    p_values = {i: paired_p(cells[best], cells[i]) for i in range(len(cells)) if i != best}
    inside = [True] * len(cells)
    for step, i in enumerate(sorted(p_values, key=p_values.__getitem__)):
        if p_values[i] > level / (len(p_values) - step):
            break
        inside[i] = False
    return inside


INTERVALS: dict[str, Callable[[np.ndarray, np.random.Generator], Bounds]] = {
    "not on log-odds": symmetric,
    "crossed bootstrap": crossed,
    "hierarchical bootstrap": hierarchical,
    "seeds only": seeds_only,
    "items only": binomial,
}
GROUPS: dict[str, Callable[[Sequence[np.ndarray]], list[bool]]] = {
    "Holm against the best": holm_against_best
}
