"""Regression metrics: correlations with the gold numbers, -1 to 1."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from research.tasks.metrics.classification import LOWEST

# (score, scores [I] with each item left out; of a single item, the score)
Deleted = tuple[float, NDArray]


def pearson(predicted: NDArray, gold: NDArray) -> Deleted:
    """The linear correlation of two columns [I]; 0 where either is constant, -1 where a prediction
    is not finite, with each item left out too.

    Without item i, at distances x_i and y_i from the means, the sum of products falls by
    I / (I - 1) x_i y_i.
    """
    if not np.isfinite(predicted).all():
        lowest = LOWEST["pearson"]
        return lowest, np.full(len(gold), lowest)
    x, y = _centred(predicted), _centred(gold)
    products = np.stack([x * y, x * x, y * y])
    sums = products.sum(axis=1, keepdims=True)
    [whole] = _correlation(sums, sums)
    if len(x) < 2:
        return float(whole), np.array([whole])
    return float(whole), _correlation(sums - len(x) / (len(x) - 1) * products, sums)


def spearman(predicted: NDArray, gold: NDArray) -> Deleted:
    """The Pearson correlation of ranks; ties get their mean rank. -1 as in `pearson`."""
    if not np.isfinite(predicted).all():
        return pearson(predicted, gold)
    from scipy.stats import rankdata  # here: importing it takes 0.7 s, and few tasks need it

    ranks = [rankdata(column) for column in (predicted, gold)]
    whole, _ = pearson(*ranks)
    items = range(len(gold))
    without = [
        pearson(*(_ranks_without(column, i) for column in ranks))[0] for i in items if len(gold) > 1
    ]
    return whole, np.array(without or [whole])


def _ranks_without(ranks: NDArray, i: int) -> NDArray:
    """Ranks [I - 1] without item i: 1 less above it, 0.5 less where equal."""
    fallen = ranks - (ranks > ranks[i]) - 0.5 * (ranks == ranks[i])
    return np.delete(fallen, i)


def _centred(column: NDArray) -> NDArray:
    """The column minus its mean; exactly 0 where all are equal."""
    values = np.asarray(column, float)
    return np.zeros(len(values)) if np.ptp(values) == 0 else values - values.mean()


def _correlation(sums: NDArray, of_all: NDArray) -> NDArray:
    """Correlations [I] from sums of xy, xx and yy [3, I].

    0 where the variance is within rounding of 0, relative to the sums `of_all` [3, 1].
    """
    varies = (sums[1:] > 1e-12 * of_all[1:]).all(axis=0)
    return np.where(varies, sums[0] / np.sqrt(np.where(varies, sums[1] * sums[2], 1.0)), 0.0)


NUMBER_METRICS: dict[str, Callable[[NDArray, NDArray], Deleted]] = {
    "pearson": pearson,
    "spearman": spearman,
}
