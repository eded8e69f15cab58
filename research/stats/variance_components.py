"""How much of the variance of a run's score each source of randomness has.

The runs are a Latin square of samples, orders and initialisations (`research.experiments.seeds`),
which is n^2 runs, n of them the ordinary ones. Varying one source and holding the others at one
seed, as Bouthillier et al. do (2021, arXiv 2103.03098, section 2), takes 3 (n - 1) further runs
where this takes n^2 - n, but tells of that one seed only and not of interactions; all
combinations, as Dodge et al. have them for two sources (2020, arXiv 2002.06305, section 3), take
n^3.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from research.experiments.seeds import Seeds

SOURCES = ("sample", "order", "initialisation")
REST = "interaction"
DRAWS = 20_000  # for an interval; its bounds are then right to about half a percent


@dataclass(frozen=True)
class Component:
    """variance: of a run's score by this source alone; 0 where the estimate is `negative`. share:
    of the sum of all components, from `low` to `high`; NaN where all runs score the same.
    """

    variance: float
    negative: bool
    share: float
    low: float
    high: float


def components(scores: Mapping[Seeds, float], level: float = 0.95) -> dict[str, Component]:
    """The variance component of each source, and of what only their combinations explain.

    scores: of the runs of a whole Latin square of side n. The model is score = mean + sample +
    order + initialisation + interaction, all random and independent. With the mean squares M of
    each source (n - 1 degrees of freedom) and of the rest (n - 1)(n - 2), E[M of a source] =
    V(rest) + n V(source) and E[M of the rest] = V(rest): the analysis of variance estimates
    (Searle, Casella and McCulloch 1992, ch. 4). They are unbiased before negative ones are set to
    0, and each pair of levels being there once, interactions of any two sources count as rest.

    Intervals of shares are generalised confidence intervals (Weerahandi 1993): quantiles of the
    shares where each M is divided by a draw of chi^2 / degrees. In a simulation 95 % intervals of
    the sources covered 94 to 98 %, and a source with 4/7 of the variance was told from none in 27 %
    of the squares of side 3, in 93 % of side 5.
    """
    squares, degrees = mean_squares(scores)
    side = len({seeds.sample for seeds in scores})
    variances = _variances(squares, side)
    chi = np.random.default_rng(0).chisquare(degrees, (DRAWS, len(degrees))) / degrees
    shares = _shares(_variances(squares / chi, side))
    low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2], axis=0)
    found = zip(variances, _shares(variances), low, high, strict=True)
    return {
        name: Component(max(float(v), 0.0), bool(v < 0), *map(float, rest))
        for name, (v, *rest) in zip((*SOURCES, REST), found, strict=True)
    }


def mean_squares(scores: Mapping[Seeds, float]) -> tuple[np.ndarray, np.ndarray]:
    """(mean squares [4], their degrees of freedom [4]) of the sources and of the rest."""
    every = np.array(list(scores.values()))
    side = round(len(every) ** 0.5)
    sums = []
    for source in SOURCES:
        levels = np.array([getattr(seeds, source) for seeds in scores])
        means = np.array([every[levels == level].mean() for level in np.unique(levels)])
        sums.append(side * float(((means - every.mean()) ** 2).sum()))
    rest = float(((every - every.mean()) ** 2).sum()) - sum(sums)
    degrees = np.array([side - 1] * 3 + [(side - 1) * (side - 2)], float)
    return np.array([*sums, max(rest, 0.0)]) / degrees, degrees


def _variances(squares: np.ndarray, side: int) -> np.ndarray:
    """Components [..., 4], negative ones as they come, of mean squares [..., 4]."""
    rest = squares[..., 3:]
    return np.concatenate([(squares[..., :3] - rest) / side, rest], axis=-1)


def _shares(variances: np.ndarray) -> np.ndarray:
    """Of the sum of components, negative ones taken as 0; NaN where that is 0."""
    positive = np.maximum(variances, 0.0)
    total = positive.sum(-1, keepdims=True)
    return np.divide(positive, total, out=np.full_like(positive, np.nan), where=total > 1e-24)
