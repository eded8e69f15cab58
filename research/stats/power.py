"""How many seeds or items it would take to tell two approaches apart.

The difference of two influence matrices [S, I] has three variance components: of the seeds, of the
items, and of what is left (Searle, Casella and McCulloch 1992, ch. 4). They say what the variance
would be with other numbers of either: the decision study of Brennan (2001, Generalizability Theory,
ch. 4). The power of the t test then is that of the noncentral t (Cohen 1988, ch. 2), with
Satterthwaite's degrees of freedom. Card et al. (2020, arXiv 2010.06595) ask for such a computation
before a comparison is believed.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from research.stats.intervals import crossed_variance

POWER = 0.8  # found four times in five
MOST_SEEDS, MOST_TIMES = 100, 100  # no more seeds, and no more times the items, are looked at


@dataclass(frozen=True)
class Spread:
    """Variance components of a difference, of one seed and one item; seeds, items: how many were
    run; mean: the difference.
    """

    mean: float
    of_seeds: float
    of_items: float
    rest: float
    seeds: int
    items: int

    @classmethod
    def of(cls, difference: np.ndarray) -> "Spread | None":
        """Of a matrix [S, I]; None with one seed or one item, which show no component."""
        seeds, items = difference.shape
        if seeds == 1 or items == 1:
            return None
        found = crossed_variance(difference)
        rest = float(found.interaction) * seeds * items
        return cls(
            float(difference.mean()),
            max(float(found.seeds) * seeds - rest / items, 0.0),
            max(float(found.items) * items - rest / seeds, 0.0),
            rest,
            seeds,
            items,
        )

    def variance(self, seeds: int, items: int) -> tuple[float, float]:
        """Of the mean difference with so many seeds and items, and its degrees of freedom."""
        rest = self.rest / (seeds * items)
        by_seed, by_item = self.of_seeds / seeds + rest, self.of_items / items + rest
        total = by_seed + by_item - rest
        parts = by_seed**2 / (seeds - 1) + by_item**2 / (items - 1)
        parts += rest**2 / ((seeds - 1) * (items - 1))
        return total, total**2 / parts if parts > 0 else float(items - 1)

    def power(self, seeds: int, items: int, level: float) -> float:
        """How often a two-sided test at `level` finds a true difference as large as the mean."""
        v, degrees = self.variance(seeds, items)
        if v < 1e-24:
            return float(abs(self.mean) > 1e-12)
        critical = float(special.stdtrit(degrees, 1 - level / 2))
        away = abs(self.mean) / v**0.5
        upper, lower = (
            stats.nct.sf(critical, degrees, away),
            stats.nct.cdf(-critical, degrees, away),
        )
        return float(np.nan_to_num(upper) + np.nan_to_num(lower))

    def enough_seeds(self, level: float) -> int | None:
        """The least number of seeds with power 0.8, on the items that were run."""
        tried = range(self.seeds, MOST_SEEDS + 1)
        return next((s for s in tried if self.power(s, self.items, level) >= POWER), None)

    def enough_items(self, level: float) -> int | None:
        """The least number of items, to two digits, on the seeds that were run."""
        tried = (round(self.items * 10 ** (k / 24)) for k in range(49))
        return next((i for i in tried if self.power(self.seeds, i, level) >= POWER), None)
