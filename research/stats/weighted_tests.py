"""Many paired tests of weighted sums of the same influence matrices."""

from collections.abc import Sequence

import numpy as np
from scipy import special

from research.stats.intervals import combined_variance

SMALLEST = 1e-6  # of the variances of the parts; a smaller variance of the sum is inexact
CLOSE = 1e-9  # of the same; closer variances count as equal


class WeightedTests:
    """P-values of the hypothesis that a weighted sum of influence matrices has the mean 0.

    The components of the variance of such a sum are quadratic forms of its weights. Their matrices
    are computed once, so that a test needs no pass over seeds and items.

    Args:
        matrices: N influence matrices [S, I] of the same seeds and items.
    """

    def __init__(self, matrices: Sequence[np.ndarray]):
        stacked = np.stack(matrices)
        _, self.seeds, self.items = stacked.shape
        self.crossed = self.seeds > 1 and self.items > 1
        self.means = stacked.mean((1, 2))
        centered = stacked - self.means[:, None, None]
        rows, columns = centered.mean(2), centered.mean(1)
        rest = centered - rows[:, :, None] - columns[:, None, :]
        seeds, items = max(self.seeds - 1, 1), max(self.items - 1, 1)
        self._products = (
            _products(rows) / (self.seeds * seeds),
            _products(columns) / (self.items * items),
            _products(rest) / (self.seeds * self.items * seeds * items),
        )
        self._sizes = np.diagonal(self._products[0]) + np.diagonal(self._products[1])

    def p_values(self, indices: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two-sided p-values [T] of T sums, see `paired_p`, and whether each is exact to 1e-8.

        It is not where the parts of a sum nearly cancel, where the formula of the degrees of
        freedom is about to change, and without several seeds and items.

        Args:
            indices: [T, K], the matrices of each sum.
            weights: [T, K], their weights.
        """
        if not self.crossed:
            return np.ones(len(indices)), np.zeros(len(indices), bool)
        pairs = weights[:, :, None] * weights[:, None, :]
        of_seeds, of_items, interaction = (
            (pairs * products[indices[:, :, None], indices[:, None, :]]).sum((1, 2))
            for products in self._products
        )
        v, degrees = combined_variance(of_seeds, of_items, interaction, self.seeds, self.items)
        scale = (weights**2 * self._sizes[indices]).sum(1)
        mean = (weights * self.means[indices]).sum(1)
        exact = v > SMALLEST * scale
        least, largest = np.minimum(of_seeds, of_items), np.maximum(of_seeds, of_items)
        for distance in (least - interaction, largest - least):
            exact &= np.abs(distance) > CLOSE * scale
        positive = np.where(exact, v, 1.0)
        return 2 * special.stdtr(degrees, -np.abs(mean) / positive**0.5), exact


def _products(matrices: np.ndarray) -> np.ndarray:
    """The sum of products of the entries of each pair of arrays, [N, N]."""
    rows = matrices.reshape(len(matrices), -1)
    return rows @ rows.T
