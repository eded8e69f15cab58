"""Answers whose true score is known, to see how often intervals and groups are right.

Every seed answers every item: right with log-odds that are the approach's, plus a normal number of
the seed's, plus a normal number of the item's.
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
    """accuracy: expected over seeds and items. over_seeds: the standard deviation of the accuracy
    on endless items, over seeds. hard: that of the items' log-odds.
    """

    accuracy: float
    over_seeds: float
    hard: float = 2.5


@lru_cache(maxsize=1000)
def log_odds(world: Population) -> tuple[float, float]:
    """The mean of the log-odds, and their standard deviation over seeds, by quadrature."""

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
    """Whether answers are right: bool [N, S, I], other seeds and items in each of the N draws."""
    mean, spread = log_odds(world)
    by_seed = mean + spread * rng.normal(size=(draws, seeds, 1))
    odds = by_seed + world.hard * rng.normal(size=(draws, 1, items))
    return rng.random((draws, seeds, items)) < special.expit(odds)


def column(
    worlds: Sequence[Population],
    rng: np.random.Generator,
    seeds: int,
    items: int,
    alike: float = 0.3,
    own: float = 0.7,
) -> np.ndarray:
    """Right answers [K, S, I] of approaches to the same items, as 1 and 0.

    alike: which share of their variance over seeds is common to all, as that of the data drawn is.
    own: how much an item is harder for one approach alone, a standard deviation of log-odds, which
    is part of `hard`.
    """
    mean, spread = np.array([log_odds(world) for world in worlds]).T[:, :, None, None]
    hard = np.array([world.hard for world in worlds])[:, None, None]
    rows = (len(worlds), seeds, 1)
    by_seed = alike**0.5 * rng.normal(size=rows[1:]) + (1 - alike) ** 0.5 * rng.normal(size=rows)
    common = (hard**2 - own**2) ** 0.5 * rng.normal(size=items)
    by_item = common + own * rng.normal(size=(len(worlds), 1, items))
    odds = mean + spread * by_seed + by_item
    return (rng.random(odds.shape) < special.expit(odds)).astype(float)


def coverage(
    world: Population, seeds: int, items: int, draws: int, others: int = 0
) -> dict[str, Any]:
    """How often 95 % intervals of the score have the truth, and how wide they are in the mean.

    Args:
        draws: number of simulated cells for our interval.
        others: number of these on which `alternatives.INTERVALS` are computed too.
    """
    rng = generator(world.accuracy, world.over_seeds, world.hard, seeds, items)
    hits, widths = defaultdict(list), defaultdict(list)
    for first in range(0, draws, AT_A_TIME):
        right = simulate_answers(world, rng, min(AT_A_TIME, draws - first), seeds, items)
        methods: dict[str, Callable[..., Bounds]] = {"ours": lambda found, _: bounds(found * 1.0)}
        if first < others:
            methods |= INTERVALS
        for name, method in methods.items():
            low, high = method(right, generator(first, seeds, items))
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
    """How often a best group of a table leaves out a cell that is as good as the best, and which
    share of the worse cells they leave out.

    Args:
        draws: number of simulated columns for our test.
        others: number of these on which `alternatives.GROUPS` are computed too.
        columns: columns of each table, with seeds and items of their own; our test shares the
            level among them, the others do not.
    """
    rng = generator(*(value for world in worlds for value in (world.accuracy, world.over_seeds)))
    accuracies = np.array([world.accuracy for world in worlds])
    good = accuracies == accuracies.max()
    false, recognised = defaultdict(list), defaultdict(list)
    ours = {"ours": partial(best_group, level=LEVEL / columns)}
    for draw in range(draws):
        table = [list(column(worlds, rng, seeds, items)) for _ in range(columns)]
        for name, method in (ours | (GROUPS if draw < others else {})).items():
            out = ~np.array([method(cells) for cells in table])
            false[name].append(out[:, good].any())
            recognised[name].append(out[:, ~good])
    found: dict[str, Any] = {"false": _means(false)}
    return found if good.all() else found | {"recognised": _means(recognised)}


def _means(found: Mapping[str, list[Any]]) -> dict[str, float]:
    return {name: round(float(np.mean(values)), 5) for name, values in found.items()}


def generator(*setting: float) -> np.random.Generator:
    """Random numbers of a setting's own, so that each can be simulated alone."""
    return np.random.default_rng([round(1000 * value) for value in setting])
