"""Difference of two mean scores, with its interval and p-value."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from research.stats.intervals import p_value, variance


@dataclass(frozen=True)
class MeanDifference:
    """A difference of two mean scores and its 95 % interval, as fractions.

    Attributes:
        mean: The difference.
        low: Lower bound.
        high: Upper bound.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, difference: np.ndarray) -> tuple["MeanDifference", float]:
        """The mean difference and its p-value.

        difference: [S, I], of two influence matrices of the same seeds and items.
        """
        v, degrees = variance(difference)
        return cls.around(float(difference.mean()), float(v), float(degrees))

    @classmethod
    def around(cls, mean: float, v: float, degrees: float) -> tuple["MeanDifference", float]:
        """The interval and p-value by the t distribution, of a mean difference with variance v."""
        half = 0.0 if v < 1e-24 else float(special.stdtrit(degrees, 0.975)) * v**0.5
        return cls(mean, mean - half, mean + half), p_value(mean, v, degrees)

    def text(self) -> str:
        """The difference in points, such as `+1.2 [-0.3, +2.7]`."""
        return f"{100 * self.mean:+.1f} [{100 * self.low:+.1f}, {100 * self.high:+.1f}]"
