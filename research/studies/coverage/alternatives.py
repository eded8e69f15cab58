"""How others make intervals and pick winners, to be compared with ours in simulation.

Each interval takes right answers, bool [N, S, I], and random numbers, and gives the bounds [N] of a
95 % interval of the score.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from research.stats.intervals import paired_p, variance

Bounds = tuple[np.ndarray, np.ndarray]
RESAMPLES = 400


def symmetric(right: np.ndarray, _: np.random.Generator) -> Bounds:
    """Our variance and degrees of freedom, but on the scale of the scores."""
    score, (v, degrees) = right.mean((1, 2)), variance(right * 1.0)
    half = stats.t.ppf(0.975, degrees) * v**0.5
    return score - half, score + half


def binomial(right: np.ndarray, _: np.random.Generator) -> Bounds:
    """The mean score as a share of I items, as if seeds made no difference."""
    score = right.mean((1, 2))
    half = 1.96 * (score * (1 - score) / right.shape[2]) ** 0.5
    return score - half, score + half


def seeds_only(right: np.ndarray, _: np.random.Generator) -> Bounds:
    """A t interval of the S scores, as if there were no other items."""
    scores = right.mean(2)
    seeds = scores.shape[1]
    half = stats.t.ppf(0.975, seeds - 1) * scores.std(1, ddof=1) / seeds**0.5
    return scores.mean(1) - half, scores.mean(1) + half


def hierarchical(right: np.ndarray, rng: np.random.Generator) -> Bounds:
    """Percentiles of a bootstrap of seeds, and within each of items of its own.

    A resample of I right and wrong answers has a binomial number of right ones.
    """
    draws, seeds, items = right.shape
    scores = right.mean(2)
    picked = rng.integers(seeds, size=(draws, RESAMPLES, seeds))
    chance = np.take_along_axis(scores[:, None], picked, axis=2)
    return _percentiles(rng.binomial(items, chance).mean(2) / items)


def crossed(right: np.ndarray, rng: np.random.Generator) -> Bounds:
    """Percentiles of a bootstrap of seeds and of items, the same items for all seeds (the
    pigeonhole bootstrap, Owen 2007).
    """
    _, seeds, items = right.shape
    of_items = rng.multinomial(items, [1 / items] * items, size=RESAMPLES) / items
    of_seeds = rng.multinomial(seeds, [1 / seeds] * seeds, size=RESAMPLES) / seeds
    by_seed = right.astype(np.float32) @ of_items.T.astype(np.float32)  # [N, S, resamples]
    return _percentiles((by_seed * of_seeds.T).sum(1))


def _percentiles(scores: np.ndarray) -> Bounds:
    low, high = np.quantile(scores, [0.025, 0.975], axis=1)
    return low, high


def holm_against_best(cells: Sequence[np.ndarray], level: float = 0.05) -> list[bool]:
    """The group by paired tests against the best, Holm's rule (1979) over K - 1 of them: as if the
    best had been named beforehand.
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
