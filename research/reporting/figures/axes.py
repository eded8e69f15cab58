"""Axes: the position of a value between 0 and 1, and the ticks."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from research.reporting.format import count

MARGIN = 0.04  # free share of the axis at both ends
ZERO_WIDTH = 0.16  # share of a logarithmic axis that is reserved for 0
MOST_TICKS = 6


@dataclass(frozen=True)
class AxisScale:
    """A linear or logarithmic scale.

    Attributes:
        low: value at the lower end; its common logarithm on a logarithmic scale.
        high: the same for the upper end.
        text: formats the value of a tick.
        logarithmic: whether the scale is logarithmic.
        zero_label: label of the position of 0 on a logarithmic scale; None without such a position.
    """

    low: float
    high: float
    text: Callable[[float], str]
    logarithmic: bool = False
    zero_label: str | None = None

    def position(self, value: float) -> float:
        """The position of a value, from 0 to 1."""
        if not self.logarithmic:
            return (value - self.low) / (self.high - self.low)
        if value <= 0:
            return MARGIN
        share = (math.log10(value) - self.low) / (self.high - self.low)
        begin = 0.0 if self.zero_label is None else ZERO_WIDTH
        return begin + share * (1 - begin)

    def ticks(self) -> list[tuple[float, str]]:
        """Positions and labels of the ticks, ascending."""
        values = self._powers() if self.logarithmic else _steps(self.low, self.high)
        ticks = [(self.position(value), self.text(value)) for value in values]
        return ticks if self.zero_label is None else [(self.position(0), self.zero_label), *ticks]

    def _powers(self) -> list[float]:
        first, last = math.floor(self.low), math.ceil(self.high)
        for digits in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0)):
            values = [d * 10.0**power for power in range(first, last + 1) for d in digits]
            inside = [v for v in values if self.low - 1e-9 <= math.log10(v) <= self.high + 1e-9]
            if len(inside) > 2:
                break
        if len(inside) < 2:  # the range is less than a doubling
            inside = _steps(10.0**self.low, 10.0**self.high)
        return inside[:: -(-len(inside) // MOST_TICKS)]


def linear(values: Iterable[float], text: Callable[[float], str] = "{:g}".format) -> AxisScale:
    """A linear scale that holds all values, with a margin at both ends."""
    values = list(values)
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = MARGIN * (high - low) or 0.5
    return AxisScale(low - margin, high + margin, text)


def logarithmic(
    values: Iterable[float], zero_label: str = "0", text: Callable[[float], str] = count
) -> AxisScale:
    """A logarithmic scale that holds all values, with a position for 0 if one of them is 0."""
    values = list(values)
    logs = [math.log10(value) for value in values if value > 0] or [0.0]
    margin = 2 * MARGIN * (max(logs) - min(logs)) or 0.5
    zero = zero_label if min(values, default=1.0) <= 0 else None
    return AxisScale(min(logs) - margin, max(logs) + margin, text, True, zero)


def _steps(low: float, high: float) -> list[float]:
    """Four to eight multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough - 1e-12)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]
