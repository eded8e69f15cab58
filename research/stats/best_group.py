"""Approaches of a column that are not significantly different from the best."""

from collections.abc import Sequence

import numpy as np
from scipy import special

from research.stats.intervals import crossed_variance, paired_p

LEVEL = 0.05  # maximum probability that a table excludes an approach as good as the column's best


def best_group(cells: Sequence[np.ndarray], level: float = LEVEL) -> list[bool]:
    """Whether each cell is in the best group: the best cell and those not significantly different.

    Any of the K cells can have the best mean by chance, so each test is one of all pairs: the
    smallest p-value is compared with level / (K (K - 1) / 2), the next one, as in Holm's rule
    (1979), with the number of pairs of the remaining cells. The group then has all cells that are
    as good as the best with probability 1 - `level` or more; results/statistics/ has simulations.

    Args:
        cells: K influence matrices [S, I] of the same seeds and items.
        level: Family-wise error rate.
    """
    if not cells:
        return []
    return not_different_from(cells, int(np.mean(cells, axis=(1, 2)).argmax()), level)


def not_different_from(
    cells: Sequence[np.ndarray], reference: int, level: float = LEVEL
) -> list[bool]:
    """Whether each cell is not significantly different from the cell of index `reference`.

    True for the reference itself. The correction for multiple tests is that of `best_group`.
    """
    stacked = np.stack(cells)
    others = [i for i in range(len(cells)) if i != reference]
    p_values = dict(zip(others, _p_values(stacked, reference, others), strict=True))
    inside, left = [True] * len(cells), len(cells)
    for i in sorted(others, key=p_values.__getitem__):
        if p_values[i] > level / (left * (left - 1) / 2):
            break
        inside[i], left = False, left - 1
    return inside


def _p_values(cells: np.ndarray, reference: int, others: Sequence[int]) -> Sequence[float]:
    """The p-values of equal scores of the other cells and the reference; cells [K, S, I].

    As `paired_p`, but the variance due to seeds is estimated from all cells (see `over_seeds`),
    since an estimate from few seeds is inaccurate and among many of them some are small by chance.
    Only the variance due to items is that of the pair: V = seeds of the reference + seeds of the
    other + items of the difference, with degrees of freedom after Satterthwaite (1946), for the
    seeds at most those of the whole column.
    """
    _, seeds, items = cells.shape
    if seeds == 1 or items == 1 or not others:
        return [paired_p(cells[reference], cells[i]) for i in others]
    of_cell, freedom, most = over_seeds(cells)
    difference = cells[reference] - cells[others]
    _, of_items, interaction = crossed_variance(difference)
    of_items = np.maximum(of_items - interaction, 0)
    of_seeds = of_cell[reference] + of_cell[others]
    squares = of_cell**2 / freedom
    of_pairs = np.maximum(squares[reference] + squares[others], of_seeds**2 / most)
    parts = of_pairs + of_items**2 / (items - 1)
    v, mean = of_seeds + of_items, np.abs(difference.mean((1, 2)))
    varies = v > 1e-24
    degrees = np.where(varies, v**2 / np.where(varies, parts, 1), 1)
    p = 2 * special.stdtr(degrees, -mean / np.where(varies, v, 1) ** 0.5)
    return np.where(varies, p, mean < 1e-12).tolist()


def over_seeds(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Variance of each cell's mean due to seeds [K], its degrees of freedom [K], and those of all.

    It is 0 for cells with the same answers for every seed. For the others, the effect of a seed on
    all cells is removed: s_k^2 is the residual variance of cell k in the two-way layout of cells
    and seeds. It is moderated (Smyth 2004, doi:10.2202/1544-6115.1027) by a prior with d0 degrees
    of freedom around s0^2, estimated from all log s_k^2: (d0 s0^2 + (S - 1) s_k^2) / (d0 + S - 1).
    It is not reduced below s_k^2, since different approaches can have different variances. The
    degrees of freedom are S - 1 where the variance is s_k^2 itself, else d0 + S - 1.

    cells: [K, S, I], S at least 2.
    """
    varying = np.ptp(cells, axis=1).max(1) > 1e-12
    count, freedom = int(varying.sum()), cells.shape[1] - 1
    scores = cells[varying].mean(2)
    rest = scores - scores.mean(1, keepdims=True)
    if count > 1:
        rest = (rest - rest.mean(0)) * (count / (count - 1)) ** 0.5
    residual = (rest**2).sum(1) / freedom
    prior, scale = _prior(residual[residual > 1e-24], freedom)
    weight = freedom / (prior + freedom)
    variances = np.zeros(len(cells))
    moderated = (1 - weight) * scale + weight * residual
    variances[varying] = np.maximum(moderated, residual) / (freedom + 1)
    most = max(count - 1, 1) * freedom
    degrees = np.full(len(cells), float(min(prior + freedom, most)))
    degrees[varying] = np.where(residual > moderated, freedom, degrees[varying])
    return variances, degrees, most


def _prior(variances: np.ndarray, freedom: int) -> tuple[float, float]:
    """d0 and s0^2 of variances with `freedom` degrees of freedom each; 0 for fewer than two.

    Where the variances differ no more than by chance, d0 is infinite and s0^2 their mean.
    """
    if len(variances) < 2:
        return 0.0, 0.0
    logs = np.log(variances) - special.digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(logs.var(ddof=1)) - float(special.zeta(2, freedom / 2))
    if excess < 1e-6:  # d0 would be a million or more
        return np.inf, float(variances.mean())
    half = _trigamma_inverse(excess)
    return 2 * half, float(np.exp(logs.mean() + special.digamma(half) - np.log(half)))


def _trigamma_inverse(value: float) -> float:
    """The number whose trigamma is `value`, by Newton's method on 1 / trigamma (Smyth 2004, app.).

    1 / trigamma is convex and nearly a line, so the steps are monotone and few.
    """
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.zeta(2, x))
        step = trigamma * (1 - trigamma / value) / (-2 * float(special.zeta(3, x)))
        x += step
        if abs(step) <= 1e-14 * x:
            break
    return x
