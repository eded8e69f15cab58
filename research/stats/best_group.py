"""Approaches of a column that are not significantly different from the best."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from scipy import optimize, special

from research.stats.intervals import crossed_variance, paired_p

LEVEL = 0.05  # how often a table may leave one out that is as good as the best of its column


def best_group(cells: Sequence[np.ndarray], level: float = LEVEL) -> list[bool]:
    """Whether each cell is in the best group: the best cell, and those whose test against it does
    not reject equality.

    cells: K influence matrices [S, I], the same seeds and items. Any of K might have come out best,
    so a test is one of all pairs and falls at level / (K (K - 1) / 2); the next one, as in Holm's
    rule (1979), counts the pairs of what is left. So cells as good as the best are all in the group
    with 1 - `level` or more, however many they are; simulated in results/statistics/.
    """
    if not cells:
        return []
    return not_different_from(cells, int(np.mean(cells, axis=(1, 2)).argmax()), level)


def not_different_from(cells: Sequence[np.ndarray], one: int, level: float = LEVEL) -> list[bool]:
    """Whether each cell is not significantly different from the cell `one`, itself among them.

    The correction counts as many pairs as for the best cell.
    """
    stacked = np.stack(cells)
    others = [i for i in range(len(cells)) if i != one]
    p_values = dict(zip(others, _against(stacked, one, others), strict=True))
    inside, left = [True] * len(cells), len(cells)
    for i in sorted(others, key=p_values.__getitem__):
        if p_values[i] > level / (left * (left - 1) / 2):
            break
        inside[i], left = False, left - 1
    return inside


def _against(cells: np.ndarray, one: int, others: Sequence[int]) -> Sequence[float]:
    """The p-values of equal scores, of the others against one; cells [K, S, I].

    As `paired_p`, but few seeds tell little of a variance, and of many some come out small by
    chance; so what the seeds add is read off all cells (see `over_seeds`), and only what the items
    add off the pair: V = own seeds' + the other's + the items' of the difference, degrees of
    freedom after Satterthwaite (1946), of the seeds no more than the column has.
    """
    _, seeds, items = cells.shape
    if seeds == 1 or items == 1 or not others:
        return [paired_p(cells[one], cells[i]) for i in others]
    of_cell, freedom, most = over_seeds(cells)
    difference = cells[one] - cells[others]
    _, of_items, interaction = crossed_variance(difference)
    of_items = np.maximum(of_items - interaction, 0)
    of_seeds = of_cell[one] + of_cell[others]
    squares = of_cell**2 / freedom
    of_pairs = np.maximum(squares[one] + squares[others], of_seeds**2 / most)
    parts = of_pairs + of_items**2 / (items - 1)
    v, mean = of_seeds + of_items, np.abs(difference.mean((1, 2)))
    known = v > 1e-24
    degrees = np.where(known, v**2 / np.where(known, parts, 1), 1)
    p = 2 * special.stdtr(degrees, -mean / np.where(known, v, 1) ** 0.5)
    return np.where(known, p, mean < 1e-12).tolist()


def over_seeds(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Variance [K] that the seeds give the mean of each cell; the degrees of freedom of each [K],
    and of all together.

    cells: [K, S, I], S at least 2. Those that answer alike with every seed have none. Of the
    others, what a seed does to all alike is left out: s_k^2 is the variance of what remains in the
    two-way layout of cells and seeds. It is moderated (Smyth 2004, doi:10.2202/1544-6115.1027) by a
    prior of d0 degrees around s0^2, which the log s_k^2 together give:
    (d0 s0^2 + (S - 1) s_k^2) / (d0 + S - 1), but no less than s_k^2, for unlike approaches need not
    have like variances. Where s_k^2 stands, it has the S - 1 degrees of its own seeds, otherwise
    d0 more.
    """
    varying = np.ptp(cells, axis=1).max(1) > 1e-12
    count, freedom = int(varying.sum()), cells.shape[1] - 1
    scores = cells[varying].mean(2)
    rest = scores - scores.mean(1, keepdims=True)
    if count > 1:
        rest = (rest - rest.mean(0)) * (count / (count - 1)) ** 0.5
    own = (rest**2).sum(1) / freedom
    prior, scale = _prior(own[own > 1e-24], freedom)
    weight = freedom / (prior + freedom)
    found = np.zeros(len(cells))
    moderated = (1 - weight) * scale + weight * own
    found[varying] = np.maximum(moderated, own) / (freedom + 1)
    most = max(count - 1, 1) * freedom
    degrees = np.full(len(cells), float(min(prior + freedom, most)))
    degrees[varying] = np.where(own > moderated, freedom, degrees[varying])
    return found, degrees, most


def _prior(own: np.ndarray, freedom: int) -> tuple[float, float]:
    """d0 and s0^2 of variances with such degrees of freedom; none of fewer than two.

    Where the variances are no further apart than chance has it, d0 is infinite, s0^2 their mean.
    """
    if len(own) < 2:
        return 0.0, 0.0
    logs = np.log(own) - special.digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(logs.var(ddof=1)) - _trigamma(freedom / 2)
    if excess < 1e-6:  # a million degrees, and more
        return np.inf, float(own.mean())
    half = cast(float, optimize.brentq(lambda x: _trigamma(x) - excess, 1e-6, 1e7))
    return 2 * half, float(np.exp(logs.mean() + special.digamma(half) - np.log(half)))


def _trigamma(x: float) -> float:
    return float(special.zeta(2, x))
