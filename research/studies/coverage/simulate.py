"""Simulated answers with a known true score, to measure the coverage of intervals and best groups.

Every seed answers every item. The log-odds of a right answer are the sum of a constant of the
approach, a normal effect of the seed and a normal effect of the item.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, cast

import numpy as np
from scipy import optimize, special

from research.stats.best_group import LEVEL, best_group
from research.stats.intervals import bounds
from research.studies.coverage.alternatives import GROUPS, INTERVALS, Bounds

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)  # of a standard normal
AT_A_TIME = 250  # draws in memory


@dataclass(frozen=True)
class Population:
    """The distribution of an approach's answers.

    Attributes:
        accuracy: Expected accuracy over seeds and items.
        over_seeds: Standard deviation over seeds of the accuracy on infinitely many items.
        hard: Standard deviation of the items' effects, in log-odds.
    """

    accuracy: float
    over_seeds: float
    hard: float = 2.5


@lru_cache(maxsize=1000)
def log_odds(world: Population) -> tuple[float, float]:
    """(mean of the log-odds, their standard deviation over seeds), by quadrature."""

    def moments(mean: float, spread: float) -> tuple[float, float]:
        odds = mean + spread * NODES[:, None] + world.hard * NODES
        by_seed = special.expit(odds) @ WEIGHTS / WEIGHTS.sum()
        expected = by_seed @ WEIGHTS / WEIGHTS.sum()
        return float(expected), float((by_seed - expected) ** 2 @ WEIGHTS / WEIGHTS.sum()) ** 0.5

    def mean(spread: float) -> float:
        return root(lambda m: moments(m, spread)[0] - world.accuracy, -50, 50)

    def root(function: Callable[[float], float], low: float, high: float) -> float:
        return cast(float, optimize.brentq(function, low, high))

    if world.over_seeds == 0:
        return mean(0.0), 0.0
    spread = root(lambda s: moments(mean(s), s)[1] - world.over_seeds, 1e-4, 20)
    return mean(spread), spread


def simulate_answers(
    world: Population, rng: np.random.Generator, draws: int, seeds: int, items: int
) -> np.ndarray:
    """Right answers, bool [N, S, I], with new seeds and items in each of the N draws."""
    mean, spread = log_odds(world)
    by_seed = mean + spread * rng.normal(size=(draws, seeds, 1))
    odds = by_seed + world.hard * rng.normal(size=(draws, 1, items))
    return rng.random((draws, seeds, items)) < special.expit(odds)


def column(
    worlds: Sequence[Population],
    rng: np.random.Generator,
    seeds: int,
    items: int,
    common_share: float = 0.3,
    interaction: float = 0.7,
) -> np.ndarray:
    """Right answers [K, S, I] of approaches to the same items, as 1 and 0.

    Args:
        worlds: The distribution of each approach.
        rng: Random generator.
        seeds: Number of seeds.
        items: Number of items.
        common_share: Share of the variance over seeds that is common to all approaches, as the
            effect of the training examples is.
        interaction: Standard deviation, in log-odds, of an item's effect on one approach only; it
            is part of `hard`.
    """
    mean, spread = np.array([log_odds(world) for world in worlds]).T[:, :, None, None]
    hard = np.array([world.hard for world in worlds])[:, None, None]
    rows = (len(worlds), seeds, 1)
    by_seed = common_share**0.5 * rng.normal(size=rows[1:])
    by_seed = by_seed + (1 - common_share) ** 0.5 * rng.normal(size=rows)
    common = (hard**2 - interaction**2) ** 0.5 * rng.normal(size=items)
    by_item = common + interaction * rng.normal(size=(len(worlds), 1, items))
    odds = mean + spread * by_seed + by_item
    return (rng.random(odds.shape) < special.expit(odds)).astype(float)


def coverage(
    world: Population, seeds: int, items: int, draws: int, others: int = 0
) -> dict[str, Any]:
    """Coverage and mean width of 95 % intervals of the score, by method.

    Args:
        world: The distribution of the answers.
        seeds: Number of seeds.
        items: Number of items.
        draws: Number of simulated cells for our interval.
        others: Number of these on which `alternatives.INTERVALS` are computed too.
    """
    rng = setting_generator(world.accuracy, world.over_seeds, world.hard, seeds, items)
    hits, widths = defaultdict(list), defaultdict(list)
    for first in range(0, draws, AT_A_TIME):
        right = simulate_answers(world, rng, min(AT_A_TIME, draws - first), seeds, items)
        methods: dict[str, Callable[..., Bounds]] = {"ours": lambda x, _: bounds(x * 1.0)}
        if first < others:
            methods |= INTERVALS
        for name, method in methods.items():
            low, high = method(right, setting_generator(first, seeds, items))
            hits[name] += ((low <= world.accuracy) & (world.accuracy <= high)).tolist()
            widths[name] += (high - low).tolist()
    return {"coverage": _means(hits), "width": _means(widths)}


def groups(
    worlds: Sequence[Population],
    seeds: int,
    items: int,
    draws: int,
    others: int = 0,
    columns: int = 1,
) -> dict[str, Any]:
    """Error rate and power of best groups, by method.

    `false` is the share of tables in which a cell as good as the best is excluded, `recognised`
    the share of the worse cells that are excluded.

    Args:
        worlds: The distribution of each row's answers.
        seeds: Number of seeds.
        items: Number of items.
        draws: Number of simulated tables for our test.
        others: Number of these on which `alternatives.GROUPS` are computed too.
        columns: Columns per table, with different seeds and items; our test divides the level by
            them, the others do not.
    """
    rng = setting_generator(
        *(value for world in worlds for value in (world.accuracy, world.over_seeds))
    )
    accuracies = np.array([world.accuracy for world in worlds])
    good = accuracies == accuracies.max()
    false, recognised = defaultdict(list), defaultdict(list)
    ours = {"ours": partial(best_group, level=LEVEL / columns)}
    for draw in range(draws):
        table = [list(column(worlds, rng, seeds, items)) for _ in range(columns)]
        for name, method in (ours | (GROUPS if draw < others else {})).items():
            excluded = ~np.array([method(cells) for cells in table])
            false[name].append(excluded[:, good].any())
            recognised[name].append(excluded[:, ~good])
    rates: dict[str, Any] = {"false": _means(false)}
    return rates if good.all() else rates | {"recognised": _means(recognised)}


def _means(values: Mapping[str, list[Any]]) -> dict[str, float]:
    return {name: round(float(np.mean(numbers)), 5) for name, numbers in values.items()}


def setting_generator(*setting: float) -> np.random.Generator:
    """The random generator of a setting, so that each setting can be simulated separately."""
    return np.random.default_rng([round(1000 * value) for value in setting])
