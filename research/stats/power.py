"""Numbers of seeds or items with which the difference of two approaches would be significant.

The difference of two influence matrices [S, I] has three variance components: seeds, items and
residual (Searle, Casella and McCulloch 1992, ch. 4). They give the variance for other numbers of
seeds and items: the decision study of Brennan (2001, Generalizability Theory, ch. 4). The power of
the t test is then that of the noncentral t distribution (Cohen 1988, ch. 2), with Satterthwaite's
degrees of freedom. Card et al. (2020, arXiv 2010.06595) recommend a power analysis for every
comparison.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from research.stats.intervals import crossed_variance

POWER = 0.8
MOST_SEEDS, MOST_TIMES = 100, 100  # maximum number of seeds, and of times the items


@dataclass(frozen=True)
class Spread:
    """Variance components of a difference, for one seed and one item.

    Attributes:
        mean: The mean difference.
        of_seeds: Component of the seeds.
        of_items: Component of the items.
        rest: Residual component.
        seeds: Number of seeds that were run.
        items: Number of items that were run.
    """

    mean: float
    of_seeds: float
    of_items: float
    rest: float
    seeds: int
    items: int

    @classmethod
    def of(cls, difference: np.ndarray) -> "Spread | None":
        """The components of a matrix [S, I]; None for one seed or one item."""
        seeds, items = difference.shape
        if seeds == 1 or items == 1:
            return None
        variances = crossed_variance(difference)
        rest = float(variances.interaction) * seeds * items
        return cls(
            float(difference.mean()),
            max(float(variances.seeds) * seeds - rest / items, 0.0),
            max(float(variances.items) * items - rest / seeds, 0.0),
            rest,
            seeds,
            items,
        )

    def variance(self, seeds: int, items: int) -> tuple[float, float]:
        """(variance of the mean difference, its degrees of freedom) for these numbers."""
        rest = self.rest / (seeds * items)
        by_seed, by_item = self.of_seeds / seeds + rest, self.of_items / items + rest
        total = by_seed + by_item - rest
        parts = by_seed**2 / (seeds - 1) + by_item**2 / (items - 1)
        parts += rest**2 / ((seeds - 1) * (items - 1))
        return total, total**2 / parts if parts > 0 else float(items - 1)

    def power(self, seeds: int, items: int, level: float) -> float:
        """Power of a two-sided test at `level`, for a true difference as large as the mean."""
        from scipy import stats  # here: importing it takes 0.3 s, and few tables need it

        v, degrees = self.variance(seeds, items)
        if v < 1e-24:
            return float(abs(self.mean) > 1e-12)
        critical = float(special.stdtrit(degrees, 1 - level / 2))
        noncentrality = abs(self.mean) / v**0.5
        upper = stats.nct.sf(critical, degrees, noncentrality)
        lower = stats.nct.cdf(-critical, degrees, noncentrality)
        return float(np.nan_to_num(upper) + np.nan_to_num(lower))

    def enough_seeds(self, level: float) -> int | None:
        """The minimum number of seeds with power 0.8, on the items that were run."""
        numbers = range(self.seeds, MOST_SEEDS + 1)
        return next((s for s in numbers if self.power(s, self.items, level) >= POWER), None)

    def enough_items(self, level: float) -> int | None:
        """The minimum number of items with power 0.8, to about 10 %, on the seeds that were run."""
        numbers = (round(self.items * 10 ** (k / 24)) for k in range(49))
        return next((i for i in numbers if self.power(self.seeds, i, level) >= POWER), None)
